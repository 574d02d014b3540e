using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Extract;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Conversion;

/// <summary>One update and how it is to come out.</summary>
/// <param name="Delta">As it was read.</param>
/// <param name="Target">What it updates, as the result names it.</param>
/// <param name="Place">Its tensor in the base; null without one.</param>
/// <param name="Form">How it comes out; what is decided by values is <see cref="ConvertedForm.Truncated"/>.</param>
internal sealed record PlannedUpdate(AdapterDelta Delta, ParameterName Target, BaseTarget? Place, ConvertedForm Form)
{
    /// <summary>The weight's shape, as [out, in, …kernel]: the base's, where it is at hand.</summary>
    public TensorShape Weight => Place?.Weight ?? Delta.Shape!.Value;

    /// <summary>The weight as a matrix.</summary>
    public (long Rows, long Columns) Matrix => Weight.AsMatrix();

    /// <summary>Its exact factors; null where it has none.</summary>
    public LowRankFactors? Exact { get; } = (Place?.Weight ?? Delta.Shape) is { } weight ? Delta.ExactFactors(weight) : null;

    /// <summary>A width for what is computed: the widest type it is stored in.</summary>
    public DType SourceType => Delta.Tensors.Select(t => t.DType).Where(t => t.IsMergeable()).DefaultIfEmpty(DType.F32).MaxBy(t => t.Bits());

    /// <summary>The most that a product of its shape can need.</summary>
    public long FullRank => Math.Min(Matrix.Rows, Matrix.Columns);

    /// <summary>Whether it is of an embedding: LoRA says so itself, of another kind the module's name does.</summary>
    public bool IsEmbedding => Delta.IsEmbedding
        || (Delta is not LowRankDelta && TensorRoles.Of(BaseNames.Modern(Target.Path), Weight, _ => null) == TensorRole.Embedding);

    /// <summary>In a plan.</summary>
    public ConvertedModule Outline => new(Target.Label, Delta.Facts.Dora ? "dora" : Delta.Kind, Form)
    {
        Rank = Form is ConvertedForm.Kept or ConvertedForm.Exact ? Exact?.Down.Shape[0] : null,
    };

    /// <summary>The rows of ΔW.</summary>
    /// <param name="base">What they were made from, to be disposed after them; null for a kind without a base.</param>
    public UpdateRows Rows(out IDisposable? @base)
    {
        @base = null;
        return new UpdateRows(Delta, Weight, Delta.NeedsBase ? Place!.Read(out @base) : null);
    }

    /// <summary>A product in place of the update.</summary>
    /// <param name="down">A: [r, in, …kernel].</param>
    /// <param name="up">B: [out, r, …].</param>
    /// <param name="scale">The multiplier.</param>
    public LowRankDelta With(TensorValue down, TensorValue up, double scale) => new(
        Target, down, up, scale, scale * down.Shape[0], Place?.Orientation ?? Delta.Orientation, Place?.Orientation is { } known ? known == WeightOrientation.InOut : Delta.SquareIsInOut)
    {
        IsEmbedding = IsEmbedding,
    };

    /// <summary>The update as it was, by the name that the result has for it.</summary>
    public AdapterDelta Kept => Target == Delta.Target ? Delta : Place is not null && Delta is LowRankDelta lora ? With(lora.Down, lora.Up, lora.Scale) : Delta.Renamed(Target);

    /// <summary>A's shape at a rank.</summary>
    public TensorShape DownShape(long rank) => new([rank, .. Weight.Sizes.AsSpan()[1..]]);

    /// <summary>B's shape at a rank: as many dimensions as A.</summary>
    public TensorShape UpShape(long rank) => new([Weight[0], rank, .. Enumerable.Repeat(1L, Weight.Rank - 2)]);
}
