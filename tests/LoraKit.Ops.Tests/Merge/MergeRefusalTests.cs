using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>What stops a merge: named, all at once, and with nothing left behind.</summary>
public class MergeRefusalTests
{
    [Fact]
    public void EveryMissAndClashIsListed()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(
            temp["base", "model.safetensors"], Merging.Random("model.a.weight", DType.F32, random, 6, 4), Merging.Random("model.b.weight", DType.F32, random, 5, 4));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("model.a", 6, 4, random);
        adapter.Linear("model.b", 9, 9, random);
        adapter.Linear("model.c", 5, 4, random);
        adapter.Linear("other.d", 5, 4, random);
        adapter.Save();
        TargetMismatchException error = Assert.Throws<TargetMismatchException>(() => MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"])));
        Assert.Equal(3, error.Misses.Count);
        Assert.Contains(error.Tensor, new[] { "model.b.weight", "model.c.weight", "other.d.weight" });
        Assert.Contains(error.Tensor!, error.Misses[0]);
        Assert.Equal(temp["base"], error.File);
        Assert.Contains(error.Misses, m => m.Contains("model.b") && m.Contains("[9, 9]") && m.Contains("[5, 4]"));
        Assert.Contains(error.Misses, m => m.Contains("model.c.weight"));
        Assert.Contains(error.Misses, m => m.Contains("other.d.weight"));

        using MergePlan plan = MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]) with { AllowUnmatched = true });
        Assert.Equal(3, plan.Unmatched.Count);
        Assert.Single(plan.Tensors, t => t.Action == TensorAction.Change);
    }

    [Fact]
    public void NaNInAFactorStopsIt()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("a.weight", DType.F32, random, 6, 4));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Add("base_model.model.a.lora_A.weight", DType.F32, [2, 4], [1, 2, 3, 4, 5, double.NaN, 7, 8]);
        adapter.Add("base_model.model.a.lora_B.weight", DType.F32, [6, 2], PeftFolder.Values(random, 12, DType.F32));
        adapter.Save();
        NonFiniteException error = Assert.Throws<NonFiniteException>(() => Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"])));
        Assert.Equal("base_model.model.a.lora_A.weight", error.Tensor);
        Assert.Equal(["adapter", "base"], Entries(temp));
    }

    [Fact]
    public void QuantisedTensorsAreRefused()
    {
        using TempFolder temp = new();
        Random random = new(1);
        TestTensor quantised = new("a.weight", DType.F8E4M3, [6, 4], new double[24]);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], quantised, new("a.weight_scale_inv", DType.F32, [1], [1]));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("a", 6, 4, random);
        adapter.Save();
        Assert.Contains("quantised", Assert.Throws<TargetMismatchException>(() => Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]))).Message);
    }

    [Fact]
    public void TwoReplacementsOfOneTensorClash()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("score.weight", DType.F32, random, 3, 4));
        foreach (string name in new[] { "one", "two" })
        {
            PeftFolder adapter = new(temp[name], 2, 2);
            adapter.Add("base_model.model.score.weight", DType.F32, [3, 4], PeftFolder.Values(random, 12, DType.F32));
            adapter.Config["modules_to_save"] = new JsonArray("score");
            adapter.Save();
        }

        TargetMismatchException error = Assert.Throws<TargetMismatchException>(
            () => MergePlan.Create(Merging.Options(temp["base"], temp["one"], temp["out"]) with { Adapters = [new(temp["one"]), new(temp["two"])] }));
        Assert.Contains("replaces too", error.Message);
    }

    [Fact]
    public void CancellationLeavesNothing()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("a.weight", DType.F32, random, 64, 64));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("a", 64, 64, random);
        adapter.Save();
        using CancellationTokenSource source = new();
        using MergePlan plan = MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]) with { TileBytes = 256 });
        Assert.ThrowsAny<OperationCanceledException>(() => plan.Run(new SimdCompute(), new Cancelling(source), source.Token));
        Assert.Equal(["adapter", "base"], Entries(temp));
    }

    [Fact]
    public void OutputThatExistsOrIsAnInputIsRefused()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("a.weight", DType.F32, random, 6, 4));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("a", 6, 4, random);
        adapter.Save();
        Directory.CreateDirectory(temp["exists"]);
        foreach (string output in new[] { temp["exists"], temp["base"], temp["adapter"], temp["base", "inside"], temp["base", "..", "adapter"], temp.Path })
        {
            Assert.Throws<OutputException>(() => MergePlan.Create(Merging.Options(temp["base"], adapter.Path, output)));
        }

        Assert.Throws<OutputException>(() => Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["base"]) with { Overwrite = true }));
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["exists"]) with { Overwrite = true });
        Assert.True(File.Exists(temp["exists", "model.safetensors"]));
    }

    [Fact]
    public void AFileThatVanishesBeforeItIsCopiedIsNamed()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("a.weight", DType.F32, random, 6, 4));
        File.WriteAllText(temp["base", "tokenizer.json"], "{}");
        File.WriteAllText(temp["base", "empty.txt"], "");
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("a", 6, 4, random);
        adapter.Save();
        using MergePlan plan = MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        File.Delete(temp["base", "tokenizer.json"]);
        InputNotFoundException error = Assert.Throws<InputNotFoundException>(() => plan.Run(new SimdCompute()));
        Assert.Equal(temp["base", "tokenizer.json"], error.File);
        Assert.Equal(["adapter", "base"], Entries(temp));
    }

    [Fact]
    public void WhatCannotBeCopiedIsWarnedOf()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("a.weight", DType.F32, random, 6, 4));
        File.CreateSymbolicLink(temp["base", "config.json"], "../blobs/gone");
        File.CreateSymbolicLink(temp["base", "tokenizer.json"], temp["base", "tokenizer.json"]); // In a circle.
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("a", 6, 4, random);
        adapter.Save();
        using MergePlan plan = MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        Assert.Contains(plan.Warnings, w => w.StartsWith("config.json is a link that leads nowhere"));
        Assert.Contains(plan.Warnings, w => w.StartsWith("tokenizer.json is a link that leads nowhere"));
        plan.Run(new SimdCompute());
        Assert.Equal(["model.safetensors"], Directory.GetFileSystemEntries(temp["out"]).Select(e => Path.GetFileName(e)!));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void WeightsAreFinite(double weight) => Assert.Throws<InvalidOptionException>(
        () => MergePlan.Create(new() { Base = "b", Adapters = [new("a", weight)], Output = "o" }));

    private static string[] Entries(TempFolder temp) => [.. Directory.GetFileSystemEntries(temp.Path).Select(e => Path.GetFileName(e)!).Order()];

    private sealed class Cancelling(CancellationTokenSource source) : IProgress<OpProgress>
    {
        public void Report(OpProgress value) => source.Cancel();
    }
}
