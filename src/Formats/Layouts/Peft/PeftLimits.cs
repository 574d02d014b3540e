using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>What PEFT cannot say of an adapter.</summary>
internal static class PeftLimits
{
    public static IReadOnlyList<string> Of(Adapter adapter)
    {
        LowRankDelta[] modules = [.. adapter.Deltas.Select(PeftKinds.Factors).OfType<LowRankDelta>()];
        Dictionary<ModuleName, LowRankDelta> byName = [];
        foreach (LowRankDelta module in modules)
        {
            byName.TryAdd(module.Target.Module, module);
        }

        return
        [
            .. adapter.Deltas.Select(delta => Limit(delta, byName)).OfType<string>(),
            .. PeftOrientation.Differ(modules) ? ["some square weights are stored [in, out] and others [out, in], and fan_in_fan_out is one flag for all"] : (string[])[],
            .. PeftKinds.Limits(adapter),
            .. adapter.Deltas.Any(delta => delta is MagnitudeDelta) && adapter.Deltas.Any(delta => delta is DenseDelta) ? ["it has updates of biases beside the magnitudes of DoRA, which lora_bias does not go with"] : (string[])[],
            .. LayoutLimits.SeveralUpdates(adapter),
            .. new PeftReplacements(adapter).Limits(),
        ];
    }

    private static string? Limit(AdapterDelta delta, Dictionary<ModuleName, LowRankDelta> modules)
    {
        string target = $"'{Printable.Text(delta.Target.Path)}'";
        return delta switch
        {
            LowRankDelta or DenseDelta or MagnitudeDelta or LohaDelta or LokrDelta when delta.Target.Module.Path.Length == 0 => $"{target} belongs to no module",
            LowRankDelta or MagnitudeDelta or LohaDelta or LokrDelta when delta.Target.Parameter != "weight" => $"{target} is no module's weight",
            LowRankDelta { IsEmbedding: true } embedding when embedding.Down.Shape.Rank != 2 || embedding.Up.Shape.Rank != 2 => $"{target} is an embedding with a kernel",
            LowRankDelta when !IsReadBack(delta.Target.Module) => $"{target} has a name that PEFT's keys cannot carry",
            LowRankDelta lora when !double.IsFinite(lora.Scale * lora.Rank) => $"{target} has an alpha beyond double precision",
            LowRankDelta => null,
            MagnitudeDelta { Inner: LowRankDelta { Down: not TuckerDown } } dora => PeftMagnitudes.Limit(dora) is { } limit ? $"{target} {limit}" : Limit(dora.Inner, modules),
            LohaDelta or LokrDelta when delta.IsEmbedding || delta.Orientation == WeightOrientation.InOut => $"{target} is an embedding or stored transposed in the base, for which PEFT has no {delta.Kind}",
            LohaDelta or LokrDelta when !IsReadBack(delta.Target.Module) => $"{target} has a name that PEFT's keys cannot carry",
            LohaDelta loha => PeftLycoris.Limit(loha) is { } limit ? $"{target} {limit}" : null,
            LokrDelta => null,
            DenseDelta bias when bias.Target.Parameter != "bias" || !modules.TryGetValue(bias.Target.Module, out LowRankDelta? module) || module.IsEmbedding =>
                $"{target} has a dense update, which only the bias of a module with low-rank factors can have",
            DenseDelta bias when bias.Scale != modules[bias.Target.Module].Scale && !double.IsFinite(bias.Scale / modules[bias.Target.Module].Scale) =>
                $"{target} has scale {bias.Scale} and its module {modules[bias.Target.Module].Scale}: they have one alpha",
            DenseDelta => null,
            ExpertsDelta => $"{target} is LoRA on a stack of expert weights (target_parameters), which is not written yet",
            _ => $"{target} has an update of kind {(delta.Facts.Dora ? "DoRA over " : "")}{delta.Kind}",
        };
    }

    /// <summary>Why an update is not PEFT's, whatever its name, as the end of a sentence; null where it is.</summary>
    public static string? KindLimit(AdapterDelta delta) => delta switch
    {
        MagnitudeDelta dora => PeftMagnitudes.Limit(dora),
        LohaDelta loha => PeftLycoris.Limit(loha),
        _ => null,
    };

    /// <summary>A component of the path may be one that a key's other parts are made of.</summary>
    private static bool IsReadBack(ModuleName module)
    {
        string name = $"{PeftKey.Prefix}{module}.lora_A.weight";
        return name.Length <= PeftKeys.LongestName && PeftKey.Parse(new TensorInfo(name, DType.F32, new TensorShape(1, 1), 0, sizeof(float))) is { Role: PeftRole.LoraA } key
            && key.Module == module;
    }
}
