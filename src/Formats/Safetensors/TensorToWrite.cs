using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>A tensor of a file to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DType">The element type.</param>
/// <param name="Shape">The sizes, outermost first.</param>
/// <param name="Bytes">Where its bytes come from; asked for in ascending order.</param>
public sealed record TensorToWrite(string Name, DType DType, TensorShape Shape, TensorBytes Bytes)
{
    // The most bytes that are asked for at once.
    private const int PieceLength = 1 << 20;

    /// <summary>Its bytes.</summary>
    internal long ByteLength => checked(Shape.ElementCount * DType.Bits()) / 8;

    /// <summary>What pieces of these tensors fit into.</summary>
    internal static byte[] Buffer(IEnumerable<TensorToWrite> tensors) => new byte[tensors.Select(tensor => (int)Math.Min(tensor.ByteLength, PieceLength)).DefaultIfEmpty().Max()];

    /// <summary>Gives all bytes, in ascending order and in pieces.</summary>
    /// <param name="buffer">Of <see cref="Buffer"/>.</param>
    /// <param name="sink">Told where in the tensor each piece begins.</param>
    /// <param name="cancellation">Stops between two.</param>
    internal void Copy(byte[] buffer, TensorPiece sink, CancellationToken cancellation)
    {
        long length = ByteLength;
        for (long start = 0; start < length;)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<byte> now = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - start));
            Bytes(start, now);
            sink(start, now);
            start += now.Length;
        }
    }

    /// <summary>A tensor as it is, under its own or another name.</summary>
    public static TensorToWrite Of(TensorValue value, string? name = null) => new(name ?? value.Name, value.DType, value.Shape, value.ReadBytes);
}

/// <summary>Takes a piece of a tensor.</summary>
internal delegate void TensorPiece(long start, ReadOnlySpan<byte> bytes);
