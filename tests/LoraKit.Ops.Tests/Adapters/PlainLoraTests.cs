using LoraKit.Formats;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Rescale;
using LoraKit.Ops.Resize;
using LoraKit.Ops.Stack;
using LoraKit.Ops.Tests.Conversion;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Adapters;

/// <summary>What works on factors says of other kinds what to run first.</summary>
public sealed class PlainLoraTests
{
    [Theory]
    [InlineData("loha", "convert --to peft --max-error 0'")]
    [InlineData("DoRA over lora", "convert --to peft --max-error 0 --base'")]
    [InlineData("lora_experts", "merge it into its base")]
    public void OtherKindsAreToBeConvertedFirst(string kind, string command)
    {
        using TempFolder folder = new();
        string adapter = kind switch
        {
            "loha" => folder["a"],
            "DoRA over lora" => Paths.Fixture("lycoris", "locon-dora", "adapter.safetensors"),
            _ => Paths.Fixture("peft-kinds", "lora-target-parameters-only", "adapter"),
        };
        if (kind == "loha") Converting.WriteLoha(adapter, 6, 3, ("layers.0.m", 37, 53));
        using SimdCompute compute = new();
        Action[] operations =
        [
            () => RescalePlan.Create(new() { Adapter = adapter, Output = new(folder["out"]), Amount = new RescaleAmount.By(2) }).Dispose(),
            () => ResizePlan.Create(new() { Adapter = adapter, Output = new(folder["out"]), Policy = new RankPolicy.Fixed(2) }, compute).Dispose(),
            () => StackPlan.Create(new() { Adapters = [new(adapter)], Output = new(folder["out"]) }).Dispose(),
        ];
        foreach (Action operation in operations)
        {
            UnsupportedException refused = Assert.Throws<UnsupportedException>(operation);
            Assert.Contains($"is {kind}, not plain LoRA", refused.Message);
            Assert.Contains(command, refused.Message);
        }
    }
}
