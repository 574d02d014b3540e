using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Inspect;

/// <summary>One update of an adapter.</summary>
public sealed record InspectedModule
{
    /// <summary>The module's dotted path; with the parameter's name where it is not <c>weight</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The kind of update: <c>lora</c>, <c>dense</c>, …</summary>
    public required string Kind { get; init; }

    /// <summary>Rows of the update; null for a vector.</summary>
    public long? OutFeatures { get; init; }

    /// <summary>Columns of the update, a convolution's kernel included; null for a vector.</summary>
    public long? InFeatures { get; init; }

    /// <summary>The update's shape, outermost first.</summary>
    public required TensorShape Shape { get; init; }

    /// <summary>The rank; null where the kind has none.</summary>
    public long? Rank { get; init; }

    /// <summary>The file's alpha; null where the kind has none.</summary>
    public double? Alpha { get; init; }

    /// <summary>The resolved multiplier; null where the kind has none.</summary>
    public double? Scale { get; init; }

    /// <summary>The element type its tensors share, in the file's spelling, or <c>mixed</c>.</summary>
    public required string DType { get; init; }

    /// <summary>Whether a DoRA magnitude belongs to it.</summary>
    public bool Dora { get; init; }

    /// <summary>Its singular values, where they were asked for and it has some (NaN and infinity have none).</summary>
    public ModuleSpectrum? Spectrum { get; init; }

    /// <summary>What an update is called: its module's path, with the parameter's name where that is not <c>weight</c>.</summary>
    internal static string NameOf(ParameterName target) => target.Parameter == "weight" ? target.Module.Path : target.Path;

    internal static InspectedModule Of(AdapterDelta delta)
    {
        string name = NameOf(delta.Target);
        string dtype = CommonType.Of(delta.Tensors) ?? "mixed";
        switch (delta)
        {
            case LowRankDelta lora:
                return new InspectedModule
                {
                    Name = name,
                    Kind = lora.Kind,
                    OutFeatures = lora.OutFeatures,
                    InFeatures = lora.InFeatures,
                    Shape = new TensorShape([lora.OutFeatures, .. lora.Down.Shape.Sizes.AsSpan()[1..]]),
                    Rank = lora.Rank,
                    Alpha = lora.Alpha,
                    Scale = lora.Scale,
                    DType = dtype,
                };
            case DenseDelta dense:
                bool matrix = dense.Values.Shape.Rank >= 2;
                return new InspectedModule
                {
                    Name = name,
                    Kind = dense.Kind,
                    OutFeatures = matrix ? dense.Values.Shape[0] : null,
                    InFeatures = matrix ? dense.Values.Shape.AsMatrix().Columns : null,
                    Shape = dense.Values.Shape,
                    Scale = dense.Scale,
                    DType = dtype,
                };
            default:
                return new InspectedModule { Name = name, Kind = delta.Kind, Shape = delta.Tensors[0].Shape, DType = dtype };
        }
    }
}
