using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Ops.Compute.Randomized;

/// <summary>c[i, :] += Σₖ a[i, k]·b[k, :] for one panel b and c, with k in order and fused multiply-adds: the same bits for every width.</summary>
internal abstract unsafe class PanelProduct
{
    /// <param name="a">Element [i, k] lies at i · <paramref name="rowStep"/> + k · <paramref name="innerStep"/>.</param>
    /// <param name="rowStep">From row to row of a.</param>
    /// <param name="innerStep">From column to column of a.</param>
    /// <param name="rows">Rows of a and c.</param>
    /// <param name="inner">Columns of a, rows of b.</param>
    /// <param name="b">[inner, 16].</param>
    /// <param name="c">[rows, 16]; of the others it may hold only what this does not change.</param>
    public abstract void Add(double* a, nint rowStep, nint innerStep, int rows, int inner, double* b, double* c);

    public static PanelProduct Of(SimdWidth? width) => (width ?? Widest()) switch
    {
        SimdWidth.V512 => new PanelProduct<DoubleLanes512, Vector512<double>>(),
        SimdWidth.V256 => new PanelProduct<DoubleLanes256, Vector256<double>>(),
        _ => new PanelProduct<ScalarDoubleLanes, double>(),
    };

    private static SimdWidth Widest() => SimdCompute.IsSupported(SimdWidth.V512) ? SimdWidth.V512
        : SimdCompute.IsSupported(SimdWidth.V256) ? SimdWidth.V256 : SimdWidth.Scalar;
}

/// <inheritdoc/>
internal sealed unsafe class PanelProduct<TLanes, TVector> : PanelProduct
    where TLanes : IDoubleLanes<TVector>
    where TVector : unmanaged
{
    private const int BlockRows = 4;

    public override void Add(double* a, nint rowStep, nint innerStep, int rows, int inner, double* b, double* c)
    {
        for (int row = 0; row < rows; row += BlockRows)
        {
            int last = Math.Min(BlockRows, rows - row) - 1;
            for (int column = 0; column < PanelMatrix.PanelColumns; column += 2 * TLanes.Count)
            {
                Block(
                    a + (row * rowStep), Math.Min(1, last) * rowStep, Math.Min(2, last) * rowStep, Math.Min(3, last) * rowStep, innerStep, inner,
                    b + column, c + ((nint)row * PanelMatrix.PanelColumns) + column, last);
            }
        }
    }

    /// <summary>Four rows by two registers; rows that are not there repeat the last, and store what it stores.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block(double* a, nint row1, nint row2, nint row3, nint innerStep, int inner, double* b, double* c, int last)
    {
        double* c1 = c + (Math.Min(1, last) * PanelMatrix.PanelColumns);
        double* c2 = c + (Math.Min(2, last) * PanelMatrix.PanelColumns);
        double* c3 = c + (Math.Min(3, last) * PanelMatrix.PanelColumns);
        TVector sum00 = TLanes.Load(c), sum01 = TLanes.Load(c + TLanes.Count), sum10 = TLanes.Load(c1), sum11 = TLanes.Load(c1 + TLanes.Count);
        TVector sum20 = TLanes.Load(c2), sum21 = TLanes.Load(c2 + TLanes.Count), sum30 = TLanes.Load(c3), sum31 = TLanes.Load(c3 + TLanes.Count);
        for (int k = 0; k < inner; k++)
        {
            TVector right0 = TLanes.Load(b);
            TVector right1 = TLanes.Load(b + TLanes.Count);
            b += PanelMatrix.PanelColumns;

            TVector factor = TLanes.Create(*a);
            sum00 = TLanes.MultiplyAdd(factor, right0, sum00);
            sum01 = TLanes.MultiplyAdd(factor, right1, sum01);
            factor = TLanes.Create(a[row1]);
            sum10 = TLanes.MultiplyAdd(factor, right0, sum10);
            sum11 = TLanes.MultiplyAdd(factor, right1, sum11);
            factor = TLanes.Create(a[row2]);
            sum20 = TLanes.MultiplyAdd(factor, right0, sum20);
            sum21 = TLanes.MultiplyAdd(factor, right1, sum21);
            factor = TLanes.Create(a[row3]);
            sum30 = TLanes.MultiplyAdd(factor, right0, sum30);
            sum31 = TLanes.MultiplyAdd(factor, right1, sum31);
            a += innerStep;
        }

        TLanes.Store(sum00, c);
        TLanes.Store(sum01, c + TLanes.Count);
        TLanes.Store(sum10, c1);
        TLanes.Store(sum11, c1 + TLanes.Count);
        TLanes.Store(sum20, c2);
        TLanes.Store(sum21, c2 + TLanes.Count);
        TLanes.Store(sum30, c3);
        TLanes.Store(sum31, c3 + TLanes.Count);
    }
}
