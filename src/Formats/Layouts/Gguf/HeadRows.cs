using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>
/// The rows of a matrix, or the values of its bias, in the order of the other program: of each head of d rows, Hugging Face keeps the two halves that are rotated together one after the
/// other (i·d/2 + j), and llama.cpp their rows in turns (2j + i). In the same element type, made while it is read. Source: llama.cpp's LlamaModel.permute.
/// </summary>
internal sealed class HeadRows : TensorValue
{
    private readonly TensorValue _source;
    private readonly long _outer;
    private readonly long _inner;

    /// <param name="source">A matrix or vector, whose rows are heads · outer · inner.</param>
    /// <param name="outer">Row (h, i, j) of the source, with i below this, …</param>
    /// <param name="inner">… and j below this, becomes row (h, j, i).</param>
    private HeadRows(TensorValue source, long outer, long inner)
        : base(source.Name, source.DType, source.Shape) => (_source, _outer, _inner) = (source, outer, inner);

    /// <summary>Hugging Face's order to llama.cpp's.</summary>
    public static TensorValue Interleave(TensorValue source, long heads) => Of(source, 2, source.Shape[0] / heads / 2);

    /// <summary>llama.cpp's order to Hugging Face's.</summary>
    public static TensorValue Separate(TensorValue source, long heads) => Of(source, source.Shape[0] / heads / 2, 2);

    /// <summary>Whether rows are whole heads of two halves.</summary>
    public static bool Fits(TensorShape shape, long heads) => shape.Rank is 1 or 2 && heads > 0 && heads <= shape[0] / 2 && shape[0] % (2 * heads) == 0;

    /// <summary>Where Hugging Face has a row of llama.cpp's.</summary>
    /// <param name="row">Which.</param>
    /// <param name="rows">How many there are, in whole heads.</param>
    /// <param name="heads">How many heads.</param>
    public static long InHugging(long row, long rows, long heads) => Source(row, 2, rows / heads / 2);

    /// <summary>Where llama.cpp has a row of Hugging Face's.</summary>
    /// <param name="row">Which.</param>
    /// <param name="rows">How many there are, in whole heads.</param>
    /// <param name="heads">How many heads.</param>
    public static long InGguf(long row, long rows, long heads) => Source(row, rows / heads / 2, 2);

    /// <inheritdoc/>
    public override string? File => _source.File;

    /// <inheritdoc/>
    internal override IReadOnlyList<TensorValue> Parts => _source.Parts;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        long rowBytes = Shape.AsMatrix().Columns * DType.Bytes();
        while (!destination.IsEmpty)
        {
            (long row, long skip) = Math.DivRem(start, rowBytes);
            Span<byte> now = destination[..(int)Math.Min(rowBytes - skip, destination.Length)];
            _source.ReadBytes((Source(row, _outer, _inner) * rowBytes) + skip, now);
            destination = destination[now.Length..];
            start += now.Length;
        }
    }

    // Row (h, j, i) comes from row (h, i, j).
    private static long Source(long row, long outer, long inner)
    {
        (long head, long within) = Math.DivRem(row, outer * inner);
        (long j, long i) = Math.DivRem(within, outer);
        return (((head * outer) + i) * inner) + j;
    }

    // There and back is the tensor itself.
    private static TensorValue Of(TensorValue source, long outer, long inner) =>
        source is HeadRows turned && (turned._outer, turned._inner) == (inner, outer) ? turned._source : new HeadRows(source, outer, inner);
}
