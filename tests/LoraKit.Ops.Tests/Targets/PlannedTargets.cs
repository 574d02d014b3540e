using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Targets;

/// <summary>Which tensors of a base a plan would change.</summary>
internal static class PlannedTargets
{
    /// <summary>A base of 4 × 3 weights, and an adapter with factors for some of them.</summary>
    public static string[] Changed(string[] modules, string[] bases, string? config = null)
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], [.. bases.Select(b => Merging.Random($"{b}.weight", DType.F32, random, 4, 3))]);
        if (config is not null) File.WriteAllText(temp["base", "config.json"], config);
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        foreach (string module in modules)
        {
            adapter.Linear(module, 4, 3, random);
        }

        adapter.Save();
        using MergePlan plan = MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        return [.. plan.Tensors.Where(t => t.Action == TensorAction.Change).Select(t => t.Name).Order(StringComparer.Ordinal)];
    }
}
