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

    internal static InspectedModule Of(AdapterDelta delta)
    {
        TensorShape shape = delta.Shape ?? delta.Tensors[0].Shape;
        bool matrix = delta.Shape is { Rank: >= 2 };
        DeltaFacts facts = delta.Facts;
        return new InspectedModule
        {
            Name = delta.Target.Label,
            Kind = delta.Kind,
            OutFeatures = matrix ? shape[0] : null,
            InFeatures = matrix ? shape.AsMatrix().Columns : null,
            Shape = shape,
            Rank = facts.Rank,
            Alpha = facts.Alpha,
            Scale = facts.Scale,
            Dora = facts.Dora,
            DType = CommonType.Of(delta.Tensors) ?? "mixed",
        };
    }
}
