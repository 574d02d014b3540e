using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Inspect;

/// <summary>Modules that were never trained: a factor as it was initialised, all zero, so that the update is nothing.</summary>
internal static class ZeroFactor
{
    private const int PieceBytes = 1 << 16;

    /// <summary>One issue for each module, and one with their number where there are several.</summary>
    public static IReadOnlyList<AdapterIssue> Find(IReadOnlyList<AdapterDelta> deltas)
    {
        byte[] buffer = new byte[PieceBytes];
        List<AdapterIssue> issues = [];
        foreach (FactoredDelta delta in deltas.OfType<FactoredDelta>())
        {
            string? zero = IsZero(delta.Up, buffer) ? "B" : IsZero(delta.Down, buffer) ? "A" : null;
            if (zero is not null) issues.Add(new("zero_factor", IssueSeverity.Warning, $"{zero} is all zero: the module changes nothing", delta.Target.Module.Path));
        }

        return issues.Count < 2 ? issues : [new("zero_factors", IssueSeverity.Warning, $"{issues.Count} of {deltas.Count} modules change nothing"), .. issues];
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
