using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Diffusers;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>Hugging Face PEFT: adapter_config.json and a file of tensors. See spec/layouts/peft.md.</summary>
internal sealed class PeftLayout : IAdapterLayout
{
    /// <inheritdoc/>
    public string Name => "peft";

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source)
    {
        bool prefixed = false;
        bool factors = false;
        foreach (string name in source.Tensors.Tensors.Select(tensor => tensor.Name))
        {
            prefixed |= name.Contains(PeftKey.Prefix, StringComparison.Ordinal) && DiffusersKey.ComponentOf(name) is null;
            factors |= name.Contains(".lora_A.", StringComparison.Ordinal) || name.Contains(".lora_B.", StringComparison.Ordinal)
                || name.Contains(".lora_embedding_", StringComparison.Ordinal);
        }

        if (source.Config is not null && source.Config.Json.ContainsKey("peft_type"))
        {
            return prefixed || factors || ForeignKeys.Describe(source.Tensors) is null ? LayoutMatch.Certain : LayoutMatch.No;
        }

        if (prefixed) return LayoutMatch.Certain;
        return factors && ForeignKeys.Describe(source.Tensors) is null ? LayoutMatch.Possible : LayoutMatch.No;
    }

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source)
    {
        if (source.Config is null)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(source.Tensors.Path)}: has PEFT's tensor names, but there is no {AdapterConfigFile.Name} beside it: "
                + "rank and alpha cannot be known; put the one that was saved with it into the same folder", source.Tensors.Path);
        }

        PeftConfig config = new(source.Config, source.ConfigPath ?? AdapterConfigFile.Name);
        PeftRefusals.Check(config);
        return new PeftReader(source, config, PeftKeys.Parse(source.Tensors, config.PeftType)).Read();
    }

    /// <inheritdoc/>
    public bool Holds(AdapterDelta delta) => PeftKinds.TypeOf(delta) is not null;

    /// <summary>One method for all modules; where they are of several, LoRA.</summary>
    public bool Holds(AdapterDelta delta, Adapter adapter) => Holds(delta)
        && (delta is LowRankDelta || (adapter.Deltas.All(update => update.Shape is { Rank: 1 } or null || Holds(update)) && !PeftKinds.Limits(adapter).Any() && PeftLimits.KindLimit(delta) is null));

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) => PeftLimits.Of(adapter);

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter)
    {
        LayoutLimits.Refuse(adapter, Limits(adapter));
        return new PeftWriter(adapter).Write();
    }
}
