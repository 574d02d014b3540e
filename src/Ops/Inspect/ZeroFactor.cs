using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Inspect;

/// <summary>Modules that were never trained: B as it was initialised, all zero, so that the update is nothing.</summary>
internal static class ZeroFactor
{
    private const int PieceBytes = 1 << 16;

    public static IEnumerable<AdapterIssue> Find(IEnumerable<AdapterDelta> deltas)
    {
        byte[] buffer = new byte[PieceBytes];
        foreach (AdapterDelta delta in deltas)
        {
            if (delta is FactoredDelta lora && IsZero(lora.Up, buffer))
            {
                yield return new AdapterIssue(
                    "zero_factor", IssueSeverity.Warning, "B is all zero: the module changes nothing", lora.Target.Module.Path);
            }
        }
    }

    // Most tensors are told by their first piece. The sign of a zero is its number's last bit.
    private static bool IsZero(TensorValue tensor, byte[] buffer)
    {
        if (!tensor.DType.IsMergeable()) return false;
        int size = tensor.DType.Bytes();
        long length = tensor.Shape.ElementCount * size;
        for (long position = 0; position < length; position += buffer.Length)
        {
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - position));
            tensor.ReadBytes(position, piece);
            for (int i = piece.IndexOfAnyExcept((byte)0); i >= 0; i = NextNonZero(piece, i + 1))
            {
                if (piece[i] != 0x80 || (i % size) != size - 1) return false;
            }
        }

        return true;
    }

    private static int NextNonZero(ReadOnlySpan<byte> piece, int start)
    {
        int next = piece[start..].IndexOfAnyExcept((byte)0);
        return next < 0 ? -1 : start + next;
    }
}
