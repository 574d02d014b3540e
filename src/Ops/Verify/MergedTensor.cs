using System.Runtime.InteropServices;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Diff;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Verify;

/// <summary>
/// One tensor of a merged model against E = W + Σ wᵢ·sᵢ·Bᵢ·Aᵢ in F64, by rows. An element is wrong where it is not E rounded to its type. What rounding explains is
/// an ulp of the larger of |E| and |E − W| (a merge may round the update before it adds it), and (r + 2)·2⁻²⁴·(|W| + Σ|terms|) (and sum in F32); see spec/algebra.md, "verify".
/// </summary>
/// <param name="planned">What a merge would make.</param>
/// <param name="actual">What is there, of the same shape.</param>
/// <param name="tileElements">Elements that are computed at once.</param>
internal sealed class MergedTensor(OutputTensor planned, TensorValue actual, int tileElements)
{
    // What a thread does at a time: the factors are read anew for each of these.
    private const long ChunkBytes = 64L << 20;

    private readonly DType _sourceType = planned.Edit is not { } edit ? planned.Source!.DType
        : edit.IsComposed ? DType.F64 : (edit.Whole?.Values ?? planned.Source!).DType;

    public OutputTensor Planned => planned;

    public TensorValue Actual => actual;

    /// <summary>Whether no arithmetic is done that a merge could do in another order: every element has one right value.</summary>
    public bool IsExact => planned.Edit is null or { Deltas.Count: 0, IsComposed: false };

    /// <summary>Whether anything is added to it.</summary>
    public bool HasUpdates => planned.Edit is { Deltas.Count: > 0 };

    /// <summary>Whether it is the base's, byte for byte.</summary>
    public bool IsCopied => planned.Edit is null && planned.Source!.DType == actual.DType;

    /// <summary>Whether the values are ones that can be computed with.</summary>
    public bool HasNumbers => _sourceType.IsMergeable() && actual.DType.IsMergeable();

    public int ElementBytes => (_sourceType.Bits() + actual.DType.Bits() + 7) / 8;

    private (long Rows, int Columns) Size
    {
        get
        {
            if (planned.Target.Blocks is not null) return (planned.Source!.Info.ByteLength, 1); // Bytes, which are copied.
            if (IsExact) return (planned.Target.Shape.ElementCount, 1);
            (long rows, long columns) = planned.Edit!.AsMatrix();
            return (rows, checked((int)columns));
        }
    }

    /// <summary>The parts that can be checked independently.</summary>
    public IEnumerable<(long FirstRow, long Rows, long Elements)> Chunks()
    {
        (long rows, int columns) = Size;
        // Sub-byte elements are cut at whole bytes.
        long step = Math.Max(8, ChunkBytes / Math.Max(1, (long)columns * actual.DType.Bits() / 8) / 8 * 8);
        for (long row = 0; row < rows; row += step)
        {
            long now = Math.Min(step, rows - row);
            yield return (row, now, now * columns);
        }
    }

    public MergeErrors Check(long firstRow, long rows, ICompute compute, CancellationToken cancellation)
    {
        int columns = Size.Columns;
        TensorEdit? edit = planned.Edit;
        WeightedDelta[] factored = [.. edit?.Deltas.Where(d => d.IsProduct) ?? []];
        LowRankProduct? product = factored.Length > 0 ? ProductBuilder.Build(edit!.Name, edit.Shape, factored, inDoubles: true) : null;
        using TensorUpdates? updates = edit is null ? null : new(edit.Name, edit.Shape, edit.Deltas, true, () => new ComposedRows(edit, planned.Source, columns));
        using IPreparedProduct? prepared = product is null ? null : compute.Prepare(product);
        FactorNorms? norms = product?.Norms();
        int most = tileElements / Math.Max(columns, 1);
        int rowsPerTile = (int)Math.Min(IsExact ? Math.Max(8, most / 8 * 8) : Math.Max(1, most), Math.Max(rows, 1));
        using TileBuffers buffers = new(tileElements);
        Scratch scratch = new(rowsPerTile * columns, actual.DType.Bytes());
        MergeErrors errors = new();
        for (long row = firstRow; row < firstRow + rows; row += rowsPerTile)
        {
            cancellation.ThrowIfCancellationRequested();
            int now = (int)Math.Min(rowsPerTile, firstRow + rows - row);
            if (IsCopied || !HasNumbers) CompareBytes(row * columns, now * columns, errors);
            else Compare(row, now, columns, updates, prepared, compute, norms, product?.Rank ?? 0, buffers, scratch, errors);
        }

        return errors;
    }

    private void CompareBytes(long first, int count, MergeErrors errors)
    {
        TensorValue expected = planned.Edit?.Whole?.Values ?? planned.Source!;
        byte[] wanted = new byte[((count * expected.DType.Bits()) + 7) / 8], found = new byte[wanted.Length];
        expected.ReadBytes(first * expected.DType.Bits() / 8, wanted);
        actual.ReadBytes(first * expected.DType.Bits() / 8, found);
        errors.AddBytes(first, count, wanted, found, expected.DType);
    }

    private void Compare(
        long row, int rows, int columns, TensorUpdates? updates, IPreparedProduct? product, ICompute compute, FactorNorms? norms, int rank, TileBuffers buffers, Scratch scratch,
        MergeErrors errors)
    {
        int count = rows * columns;
        Span<double> exact = scratch.Exact.AsSpan(0, count), old = scratch.Old.AsSpan(0, count);
        Span<double> rounded = scratch.Rounded.AsSpan(0, count), found = scratch.Found.AsSpan(0, count);
        ReadOnlySpan<byte> source = TileSource.Read(planned.Edit, planned.Source, columns, row, rows, buffers);
        FloatConvert.ToDoubles(_sourceType, source, old);
        bool contributes = updates is { HasContributions: true };
        Span<double> cancelling = scratch.Terms.AsSpan(0, count);
        cancelling.Clear();
        if (contributes)
        {
            updates!.AddTerms(row, rows, cancelling);
            old.CopyTo(rounded);
            updates.AddContributions(row, rows, 1, old, rounded);
            source = MemoryMarshal.AsBytes(rounded);
        }

        if (product is null)
        {
            (contributes ? rounded : old).CopyTo(exact);
        }
        else
        {
            Tile tile = new()
            {
                Source = source,
                SourceType = _sourceType,
                Destination = MemoryMarshal.AsBytes(exact),
                DestinationType = DType.F64,
                Rows = rows,
                Columns = columns,
            };
            compute.AddProduct(tile, product, row);
        }

        Span<byte> stored = scratch.Stored.AsSpan(0, count * actual.DType.Bytes());
        FloatConvert.FromDoubles(actual.DType, exact, stored);
        FloatConvert.ToDoubles(actual.DType, stored, rounded);
        actual.ReadBytes(row * columns * actual.DType.Bytes(), stored);
        FloatConvert.ToDoubles(actual.DType, stored, found);
        for (int i = 0; i < count; i++)
        {
            double change = rounded[i] - old[i];
            errors.Count(change * change);
            // A zero is right with either sign, a NaN with any bits.
            if (found[i] == rounded[i] || (double.IsNaN(found[i]) && double.IsNaN(rounded[i]))) continue;
            double terms = contributes ? rank + 2 + Math.Sqrt(columns) : rank + 2;
            double sums = terms * Math.ScaleB(1, -24)
                * (Math.Abs(old[i]) + (contributes ? Math.Max(Math.Abs(exact[i] - old[i]), cancelling[i]) : 0) + (norms?.Bound(row + (i / columns), i % columns) ?? 0));
            double unit = double.IsFinite(exact[i]) ? Ulps.Size(actual.DType, Math.Max(Math.Abs(exact[i]), Math.Abs(exact[i] - old[i]))) : 0;
            bool explained = !IsExact && Math.Abs(found[i] - exact[i]) <= unit + sums;
            errors.AddWrong((row * columns) + i, found[i], rounded[i], actual.DType, explained);
        }
    }

    /// <summary>A thread's memory for one tile.</summary>
    private sealed class Scratch(int elements, int elementBytes)
    {
        public double[] Exact { get; } = new double[elements];

        public double[] Old { get; } = new double[elements];

        public double[] Rounded { get; } = new double[elements];

        public double[] Found { get; } = new double[elements];

        public double[] Terms { get; } = new double[elements];

        public byte[] Stored { get; } = new byte[elements * elementBytes];
    }
}
