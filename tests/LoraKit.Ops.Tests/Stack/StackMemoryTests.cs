using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Stack;
using LoraKit.Ops.Stack.PeftSemantics;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack;

/// <summary>Dense methods say what they take: a warning above the user's cap, a refusal above what there is, both with a way out.</summary>
public sealed class StackMemoryTests
{
    [Fact]
    public void AModuleAboveTheCapIsAWarning()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 2, DType.F32, ("small", 4, 5), ("large", 300, 200));
        StackOptions options = Stacking.Options(temp["out"], "ties", new AdapterInput(temp["a"]), new AdapterInput(temp["a"])) with { Density = 0.5, Threads = 4 };
        using (StackPlan within = StackPlan.Create(options)) Assert.Empty(within.Warnings);
        using StackPlan plan = StackPlan.Create(options with { MemoryBytes = 2_000_000 });
        Assert.Equal(1, plan.Threads);
        Assert.InRange(plan.LargestModuleBytes, 300 * 200 * 8 * 3, 300 * 200 * 8 * 6);
        string warning = Assert.Single(plan.Warnings);
        Assert.Contains("large", warning, StringComparison.Ordinal);
        Assert.Contains("--space core", warning, StringComparison.Ordinal);
        using StackPlan core = StackPlan.Create(options with { MemoryBytes = 2_000_000, Space = StackSpace.Core });
        Assert.Empty(core.Warnings);
    }

    [Fact]
    public void AModuleAboveTheMachineIsRefused()
    {
        StackMemory memory = new([Module(1000, 1000)], new ExactStacker(Ties), cap: 1);
        memory.RequireWithin(memory.Largest);
        UnsupportedException refusal = Assert.Throws<UnsupportedException>(() => memory.RequireWithin(memory.Largest - 1));
        Assert.Contains("--space core", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("1000 × 1000", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AModuleAboveAnArrayIsRefusedByThePlan()
    {
        StackedModule huge = Module(100_000, 100_000);
        Assert.Throws<UnsupportedException>(() => new StackMemory([huge], new ExactStacker(Ties), long.MaxValue));
        Assert.InRange(new StackMemory([huge], new ExactStacker(Ties with { Space = StackSpace.Core }), long.MaxValue).Largest, 1, 10_000_000);
        Assert.Throws<UnsupportedException>(() => PeftCombination.CheckSize("m", 100_000, 100_000, new(PeftCombinationType.TiesSvd), 4));
        PeftCombination.CheckSize("m", 100_000, 100_000, new(PeftCombinationType.Svd), 4);
    }

    [Fact]
    public void ARankThatPeftRefusesIsRefusedByThePlan()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 2, DType.F32, ("q", 4, 5));
        StackOptions options = Stacking.Options(temp["out"], "svd", new AdapterInput(temp["a"]), new AdapterInput(temp["a"]));
        Assert.Throws<InvalidOptionException>(() => StackPlan.Create(options with { Semantics = StackSemantics.Peft, Rank = 5 }));
    }

    [Theory]
    [InlineData("svd", -300)]
    [InlineData("svd", 240)]
    [InlineData("sce", -300)]
    public void ErrorsAreRightWhereSquaresAreBeyondTheRange(string method, int exponent)
    {
        using TempFolder temp = new();
        PeftFolder adapter = new(temp["a"], 2, 2);
        double[] down = PeftFolder.Values(new Random(3), 2 * 7, DType.F64), up = PeftFolder.Values(new Random(4), 5 * 2, DType.F64);
        adapter.Add("base_model.model.q.lora_A.weight", DType.F64, [2, 7], [.. down.Select(v => Math.ScaleB(v, exponent))]);
        adapter.Add("base_model.model.q.lora_B.weight", DType.F64, [5, 2], [.. up.Select(v => Math.ScaleB(v, exponent))]);
        adapter.Save();
        PeftFolder plain = new(temp["b"], 2, 2);
        plain.Add("base_model.model.q.lora_A.weight", DType.F64, [2, 7], down);
        plain.Add("base_model.model.q.lora_B.weight", DType.F64, [5, 2], up);
        plain.Save();
        double? expected = Run("b"), actual = Run("a");
        Assert.InRange(expected!.Value, 0.01, 1);
        Assert.Equal(expected.Value, actual!.Value, 1e-12);

        double? Run(string name)
        {
            StackOptions options = Stacking.Options(temp[$"{name}.out"], method, new AdapterInput(temp[name])) with { Rank = 1 };
            return Stacking.Run(method == "sce" ? options with { Density = 1, Space = StackSpace.Core } : options).RelativeError;
        }
    }

    private static StackOptions Ties => Stacking.Options("out", "ties") with { Density = 0.5 };

    private static StackedModule Module(long rows, long columns)
    {
        ComputedTensor down = new("A", DType.F32, new(2, columns), (_, _) => { }), up = new("B", DType.F32, new(rows, 2), (_, _) => { });
        ParameterName target = new(new("m"), "weight");
        return new(target, [new StackedPart(0, 1, new LowRankDelta(target, down, up, 1, 2))]);
    }
}
