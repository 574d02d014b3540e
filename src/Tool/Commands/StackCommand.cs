using System.CommandLine;
using System.Globalization;
using LoraKit.Formats;
using LoraKit.Ops;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Stack;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>stack A… --out PATH</c>: one adapter from several.</summary>
internal static class StackCommand
{
    public const string Name = "stack";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<AdapterInput[]> adapters = AdapterOption.CreateArgument("An adapter's folder or file, with @WEIGHT if its weight is not 1");
        Option<string?> method = new("--method")
        {
            Description = $"{string.Join(", ", StackMethods.All.Select(m => m.Name))}; PEFT's names with --semantics peft (default: cat)",
            HelpName = "METHOD",
        };
        Option<string?> rank = new("--rank")
        {
            Description = "The largest rank of the result, or as a fraction such as 0.95 the energy to keep (default: the method's)",
            HelpName = "R|ENERGY",
        };
        Option<double?> density = NumberOption.Decimal("--density", "D", "The fraction of elements to keep, for methods that drop some");
        Option<SignElection?> sign = ChoiceOption.Create<SignElection>(
            "--sign", "HOW", "total or frequency: how signs are elected (default: total)", "election of signs",
            ("total", SignElection.Total), ("frequency", SignElection.Frequency));
        Option<double?> lambda = NumberOption.Decimal("--lambda", "L", "What the combined update is multiplied with (default: 1)");
        Option<long?> seed = NumberOption.Seed("What random drops are drawn from (default: 0)");
        Option<StackSpace?> space = ChoiceOption.Create<StackSpace>(
            "--space", "SPACE", "dense or core: where element-wise methods work (default: dense)", "space", ("dense", StackSpace.Dense), ("core", StackSpace.Core));
        Option<double?> gamma = NumberOption.Decimal("--gamma", "G", "breadcrumbs: the fraction of largest elements to drop (default: 0.01)");
        Option<double?> epsilon = NumberOption.Decimal("--epsilon", "E", "della: how far probabilities lie from the density (default: 0.15)");
        Option<StackSemantics?> semantics = ChoiceOption.Create<StackSemantics>(
            "--semantics", "WHOSE", "exact, or peft to get what PEFT's add_weighted_adapter gives (default: exact)", "semantics",
            ("exact", StackSemantics.Exact), ("peft", StackSemantics.Peft));
        Option<bool> allowUnmatched = new("--allow-unmatched") { Description = "Combine adapters whose modules lie in different parts of a model, instead of stopping" };
        Command command = new(Name, "Combine adapters into one: their exact weighted sum, or what another method makes of them")
        {
            adapters, method, rank, density, sign, lambda, seed, space, gamma, epsilon, semantics, allowUnmatched,
        };
        ReadingOptions reading = new(command);
        AdapterOutputOptions write = new(command);
        ComputeOptions compute = new(command);
        OutputOptions speech = new(command);
        command.SetAction(parsed =>
        {
            (AdapterOutput output, bool dryRun) = write.Read(parsed);
            ComputeSettings computing = compute.Read(parsed);
            (int? most, double? energy) = ReadRank(parsed.GetValue(rank));
            StackOptions options = new()
            {
                Adapters = AdapterOption.Resolve(parsed.GetRequiredValue(adapters), reading.Read(parsed), environment),
                Output = output,
                Method = parsed.GetValue(method) ?? "cat",
                Rank = most,
                Energy = energy,
                Density = parsed.GetValue(density),
                Sign = parsed.GetValue(sign),
                Lambda = parsed.GetValue(lambda),
                Seed = parsed.GetValue(seed),
                Space = parsed.GetValue(space),
                Gamma = parsed.GetValue(gamma),
                Epsilon = parsed.GetValue(epsilon),
                AllowUnmatched = parsed.GetValue(allowUnmatched),
                Semantics = parsed.GetValue(semantics) ?? StackSemantics.Exact,
                MemoryBytes = computing.MemoryBytes,
                Threads = computing.Threads,
            };
            return Run(environment, speech.Read(parsed), options, computing, dryRun);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, StackOptions options, ComputeSettings computing, bool dryRun)
    {
        using Interruption interruption = environment.Interruptible();
        using StackPlan plan = StackPlan.Create(options);
        IReadOnlyList<string> warnings = [.. plan.Warnings, .. plan.Inputs.SelectMany(input => AdapterWarnings.Of(input.Path, input.Issues))];
        Warnings.Write(environment, output, warnings);
        StackReport? report = null;
        if (!dryRun)
        {
            using ComputeHost host = ComputeHost.Build(computing);
            report = ProgressDisplay.Run(environment, output, "stacking", progress => plan.Run(host.Compute, progress, interruption.Token));
        }

        if (output.Json) JsonOutput.Write(environment.Output, StackDocument.Of(plan, report, warnings));
        else if (report is null) StackText.WritePlan(environment.Output, plan, output.Verbose);
        else StackText.WriteReport(environment.Output, report, output.Verbose);
        return ExitCode.Done;
    }

    // A whole number is a rank, one with a decimal point an energy: 1 is rank 1, 1.0 all of the energy.
    private static (int? Rank, double? Energy) ReadRank(string? text)
    {
        if (text is null) return (null, null);
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int rank)) return (rank, null);
        return text.Contains('.') && double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double energy)
            ? (null, energy)
            : throw new InvalidOptionException($"--rank: '{text}' is neither a rank such as 16 nor an energy such as 0.95");
    }
}
