using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LoraKit.Ops.Undo;

/// <summary>What turns a predicted block of elements into the original one, as few bits as the three modes allow. See spec/undo.md.</summary>
internal sealed class BlockEncoder
{
    /// <summary>How much longer than its elements a code may be.</summary>
    public const int Overhead = 1;

    private const int SparseHeader = 7; // Mode, two parameters, the number of corrections.
    private const int DenseHeader = 2;

    private int[] _positions = [];
    private ulong[] _magnitudes = [];
    private bool[] _below = [];
    private int _count;

    /// <summary>Corrections in the last block.</summary>
    public int Corrections => _count;

    /// <summary>Encodes a block; returns the length of its code, 0 where the prediction is right.</summary>
    /// <param name="elementBytes">1, 2, 4 or 8.</param>
    /// <param name="original">The elements to come back to.</param>
    /// <param name="predicted">As many predicted ones.</param>
    /// <param name="destination">At least <see cref="Overhead"/> bytes longer than the block.</param>
    public int Encode(int elementBytes, ReadOnlySpan<byte> original, ReadOnlySpan<byte> predicted, Span<byte> destination) => elementBytes switch
    {
        1 => Encode(original, predicted, destination, original),
        2 => Encode(Elements<ushort>(original), Elements<ushort>(predicted), destination, original),
        4 => Encode(Elements<uint>(original), Elements<uint>(predicted), destination, original),
        8 => Encode(Elements<ulong>(original), Elements<ulong>(predicted), destination, original),
        _ => throw new ArgumentOutOfRangeException(nameof(elementBytes)),
    };

    private static ReadOnlySpan<T> Elements<T>(ReadOnlySpan<byte> bytes)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(bytes);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Encode<T>(ReadOnlySpan<T> original, ReadOnlySpan<T> predicted, Span<byte> destination, ReadOnlySpan<byte> raw)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        Find(original, predicted);
        if (_count == 0) return 0;

        // A bin for each length: sparse values are magnitudes less one, dense ones magnitudes with the zeros between them.
        Span<long> sparse = stackalloc long[Ordinals<T>.Bits], dense = stackalloc long[Ordinals<T>.Bits];
        sparse.Clear();
        dense.Clear();
        dense[0] = original.Length - _count;
        for (int i = 0; i < _count; i++)
        {
            sparse[BitOperations.Log2(_magnitudes[i])]++;
            dense[BitOperations.Log2(_magnitudes[i] + 1)]++;
        }

        int sparseParameter = GolombCode.BestExponential(sparse), denseParameter = GolombCode.BestExponential(dense);
        int gapParameter = BitOperations.Log2((uint)(original.Length / _count)); // Near the best, which is the logarithm of 0.7 mean gaps, rounded up.
        long sparseLength = SparseHeader + Bytes(SparseBits(gapParameter, sparseParameter));
        long denseLength = _count < original.Length / 8 ? long.MaxValue : DenseHeader + Bytes(DenseBits(original.Length, denseParameter));
        if (raw.Length + Overhead <= Math.Min(sparseLength, denseLength))
        {
            destination[0] = (byte)UndoMode.Raw;
            raw.CopyTo(destination[1..]);
            return raw.Length + 1;
        }

        return sparseLength <= denseLength
            ? WriteSparse(gapParameter, sparseParameter, destination[..(int)sparseLength])
            : WriteDense(denseParameter, original.Length, destination[..(int)denseLength]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Find<T>(ReadOnlySpan<T> original, ReadOnlySpan<T> predicted)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (_magnitudes.Length < original.Length)
        {
            _positions = new int[original.Length + 2];
            _magnitudes = new ulong[original.Length];
            _below = new bool[original.Length];
        }

        int[] positions = _positions;
        _count = 0;
        for (int i = 0; i < original.Length; i += EqualElements.Lanes)
        {
            ulong different = ~EqualElements.Mask(original, predicted, i) & EqualElements.All(original.Length, i);
            int found = BitOperations.PopCount(different);

            // Most masks have none, one or two, at random: two are written whatever there are, and only more need a branch.
            positions[_count] = i + BitOperations.TrailingZeroCount(different);
            different &= different - 1;
            positions[_count + 1] = i + BitOperations.TrailingZeroCount(different);
            for (int next = 2; next < found; next++)
            {
                different &= different - 1;
                positions[_count + next] = i + BitOperations.TrailingZeroCount(different);
            }

            _count += found;
        }

        for (int i = 0; i < _count; i++)
        {
            (_magnitudes[i], _below[i]) = Ordinals<T>.Distance(original[_positions[i]], predicted[_positions[i]]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private long SparseBits(int gapParameter, int parameter)
    {
        long bits = _count;
        for (int i = 0; i < _count; i++)
        {
            bits += GolombCode.RiceLength(Gap(i), gapParameter) + GolombCode.ExponentialLength(_magnitudes[i] - 1, parameter);
        }

        return bits;
    }

    private long DenseBits(int elements, int parameter)
    {
        long bits = _count + ((elements - _count) * (1L + parameter));
        for (int i = 0; i < _count; i++)
        {
            bits += GolombCode.ExponentialLength(_magnitudes[i], parameter);
        }

        return bits;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int WriteSparse(int gapParameter, int parameter, Span<byte> destination)
    {
        destination[0] = (byte)UndoMode.Sparse;
        destination[1] = (byte)gapParameter;
        destination[2] = (byte)parameter;
        BinaryPrimitives.WriteInt32LittleEndian(destination[3..], _count);
        BitWriter bits = new(destination[SparseHeader..]);
        for (int i = 0; i < _count; i++)
        {
            GolombCode.WriteCorrection(ref bits, Gap(i), gapParameter, _below[i], _magnitudes[i] - 1, parameter);
        }

        return SparseHeader + bits.Finish();
    }

    private int WriteDense(int parameter, int elements, Span<byte> destination)
    {
        destination[0] = (byte)UndoMode.Dense;
        destination[1] = (byte)parameter;
        BitWriter bits = new(destination[DenseHeader..]);
        int next = 0;
        for (int i = 0; i < elements; i++)
        {
            if (next == _count || _positions[next] != i)
            {
                GolombCode.WriteExponential(ref bits, 0, parameter);
                continue;
            }

            GolombCode.WriteExponential(ref bits, _magnitudes[next], parameter);
            bits.Write(_below[next] ? 1u : 0u, 1);
            next++;
        }

        return DenseHeader + bits.Finish();
    }

    private uint Gap(int i) => (uint)(_positions[i] - (i == 0 ? 0 : _positions[i - 1] + 1));

    private static long Bytes(long bits) => (bits + 7) / 8;
}
