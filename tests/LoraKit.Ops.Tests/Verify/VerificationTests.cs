using LoraKit.Formats;
using LoraKit.Ops.Tests.Inspect;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Verify;

public sealed class VerificationTests
{
    [Fact]
    public void EveryFixtureIsValid()
    {
        foreach (string folder in Directory.EnumerateDirectories(Paths.Fixture("peft")))
        {
            Assert.Empty(Verification.Run(new(Path.Combine(folder, "adapter"))).Findings);
            Assert.Empty(Verification.Run(new(Path.Combine(folder, "base"))).Findings);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void FindsWhateverTheThreads(int threads)
    {
        using TempFolder folder = new();
        // Three pieces in one tensor, and the numbers astride of none of them.
        float[] big = new float[700_000];
        big[262_143] = float.NaN;
        big[262_144] = float.NaN;
        big[^1] = float.PositiveInfinity;
        string file = WrittenFile.Create(folder["model.safetensors"], new Dictionary<string, (long[], float[])>
        {
            ["big"] = ([700, 1000], big),
            ["empty"] = ([0, 5], []),
            ["fine"] = ([2], [1, 2]),
            ["last"] = ([1], [float.NaN]),
        });
        Verification result = Verification.Run(new(file) { Threads = threads });
        Assert.Equal(["big", "last"], result.Findings.Select(f => f.Tensor));
        Assert.All(result.Findings, f => Assert.Equal(("non_finite", file), (f.Code, f.File)));
        Assert.Contains("3 of its values, the first at element 262143", result.Findings[0].Message);
        Assert.Equal(700_003, result.CheckedElements);
    }

    [Fact]
    public void ReportsBytes()
    {
        List<OpProgress> reports = [];
        Verification.Run(new(Paths.Fixture("peft", "lora-linear-f32", "base")) { Threads = 1 }, new Collected(reports));
        Assert.Equal(18_888 * 4, reports[^1].BytesDone);
        Assert.All(reports, r => Assert.Equal(18_888 * 4, r.BytesTotal));
    }

    [Fact]
    public void EveryBrokenShardIsAFinding()
    {
        using TempFolder folder = new();
        foreach (string name in new[] { "a", "b", "c" })
        {
            WrittenFile.Create(folder[$"{name}.safetensors"], new Dictionary<string, (long[], float[])> { [name] = ([4], [1, 2, 3, 4]) });
        }

        File.WriteAllText(folder["model.safetensors.index.json"],
            """{"metadata": {}, "weight_map": {"a": "a.safetensors", "b": "b.safetensors", "c": "c.safetensors"}}""");
        Assert.True(Verification.Run(new(folder.Path)).Valid);
        Shorten(folder["a.safetensors"]);
        Shorten(folder["c.safetensors"]);
        Verification result = Verification.Run(new(folder.Path));
        Assert.Equal([folder["a.safetensors"], folder["c.safetensors"]], result.Findings.Select(f => f.File).Distinct().Order());
    }

    [Fact]
    public void AnIndexThatNamesAnAbsentShardIsAFinding()
    {
        using TempFolder folder = new();
        WrittenFile.Create(folder["a.safetensors"], new Dictionary<string, (long[], float[])> { ["a"] = ([1], [1]) });
        File.WriteAllText(folder["model.safetensors.index.json"], """{"metadata": {}, "weight_map": {"a": "a.safetensors", "b": "gone.safetensors"}}""");
        VerifyFinding finding = Assert.Single(Verification.Run(new(folder.Path)).Findings);
        Assert.Contains("gone.safetensors", finding.Message);
    }

    [Fact]
    public void AnAdapterWithALeftoverKeyIsAFinding()
    {
        using TempFolder folder = new();
        string adapter = WrittenFile.CreateAdapter(folder["a"], 1, 1, 1, 1, 1, 1);
        WrittenFile.Create(Path.Combine(adapter, "adapter_model.safetensors"), new Dictionary<string, (long[], float[])>
        {
            ["base_model.model.one.lora_A.weight"] = ([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
        });
        Assert.Equal("invalid_adapter", Verification.Run(new(adapter)).Findings[0].Code);
    }

    [Fact]
    public void NothingThereIsNoFinding() => Assert.Throws<InputNotFoundException>(() => Verification.Run(new("/no/such/path")));

    [Fact]
    public void StopsWhenAsked()
    {
        using CancellationTokenSource stop = new();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() =>
            Verification.Run(new(Paths.Fixture("peft", "lora-linear-f32", "base")), cancellation: stop.Token));
    }

    private static void Shorten(string file)
    {
        using FileStream stream = File.OpenWrite(file);
        stream.SetLength(stream.Length - 1);
    }

    private sealed class Collected(List<OpProgress> reports) : IProgress<OpProgress>
    {
        public void Report(OpProgress value) => reports.Add(value);
    }
}
