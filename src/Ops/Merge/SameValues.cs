using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>Whether two tensors hold the same bytes, read in pieces. Asked only of embeddings that share a tensor in the base.</summary>
internal static class SameValues
{
    private const int PieceBytes = 1 << 20;

    public static bool Are(LowRankDelta one, LowRankDelta two) => one.Scale == two.Scale && Are(one.Up, two.Up) && Are(one.Down, two.Down);

    public static bool Are(TensorValue one, TensorValue two)
    {
        if (one.DType != two.DType || one.Shape != two.Shape) return false;
        long length = one.Shape.ElementCount * one.DType.Bytes();
        byte[] first = new byte[Math.Min(length, PieceBytes)];
        byte[] second = new byte[first.Length];
        for (long done = 0; done < length; done += first.Length)
        {
            int now = (int)Math.Min(first.Length, length - done);
            one.ReadBytes(done, first.AsSpan(0, now));
            two.ReadBytes(done, second.AsSpan(0, now));
            if (!first.AsSpan(0, now).SequenceEqual(second.AsSpan(0, now))) return false;
        }

        return true;
    }
}
