using System.Diagnostics;
using System.Runtime.InteropServices;
using LoraKit.Ops.Compute;
using LoraKit.Torch.Loading;

namespace LoraKit.Torch.Tests.Loading;

/// <summary>The test program once more, with another environment, running nothing but <see cref="Report"/>.</summary>
public sealed class ReportProcess
{
    /// <summary>A directory whose libtorch the process loads before it asks for a report.</summary>
    public const string PreloadVariable = "LORAKIT_TEST_PRELOAD";

    private const string OutputVariable = "LORAKIT_TEST_REPORT";

    /// <summary>What the report of such a process says.</summary>
    internal static string Run(params (string Name, string Value)[] environment)
    {
        string output = Path.GetTempFileName();
        try
        {
            ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
            // Under `dotnet LoraKit.Torch.Tests.dll` the program is the first argument.
            if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(typeof(ReportProcess).Assembly.Location);
            start.ArgumentList.Add("-explicit");
            start.ArgumentList.Add("only");
            start.ArgumentList.Add("-method");
            start.ArgumentList.Add($"{typeof(ReportProcess).FullName}.{nameof(Report)}");
            start.Environment[OutputVariable] = output;
            foreach ((string name, string value) in environment)
            {
                start.Environment[name] = value;
            }

            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string said = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, said + errors.Result);
            return File.ReadAllText(output);
        }
        finally
        {
            File.Delete(output);
        }
    }

    /// <summary>Explicit: it runs in such a process alone.</summary>
    [Fact(Explicit = true)]
    public void Report()
    {
        string output = Environment.GetEnvironmentVariable(OutputVariable)!;
        if (Environment.GetEnvironmentVariable(PreloadVariable) is { } preload)
        {
            NativeLibrary.Load(Path.Combine(preload, NativeNames.Current.File("c10")));
            NativeLibrary.Load(Path.Combine(preload, NativeNames.Current.File("torch_cpu")));
        }

        LibTorchReport report = LibTorchReport.Create(new TorchOptions());
        File.WriteAllText(output, report.Loaded ? $"loaded {report.Version} from {report.Directory} ({report.Origin}), 2 x 3 = {Product()}" : $"not loaded: {report.Problem}");
    }

    private static double Product()
    {
        using TorchCompute compute = TorchCompute.Create(new TorchOptions { Device = "cpu" });
        using IPreparedProduct product = compute.Prepare(new LowRankProduct(1, 1, 1, [2.0], [3.0]));
        byte[] sum = new byte[8];
        compute.AddProduct(
            new Tile { Source = new byte[8], SourceType = Formats.Tensors.DType.F64, Destination = sum, DestinationType = Formats.Tensors.DType.F64, Rows = 1, Columns = 1 },
            product, 0);
        return BitConverter.ToDouble(sum);
    }
}
