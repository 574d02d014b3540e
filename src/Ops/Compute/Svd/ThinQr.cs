namespace LoraKit.Ops.Compute.Svd;

/// <summary>
/// A = Q·R of a tall matrix by Householder reflections, Q [rows, size] orthonormal whatever the rank of A, R [size, columns], size =
/// min(rows, columns). The first block of rows is reduced to R, every further block together with the R so far (TSQR, a chain); reflections of
/// eight columns are applied together (compact WY: I − V·T·Vᵀ). Q is kept as these and multiplied with what is asked for. Each column of
/// Q·R differs from A's by rounding in the size of that column alone, so columns may differ in scale without limit.
/// </summary>
internal sealed unsafe class ThinQr : IDisposable
{
    private const int Width = VectorLoops.Width;

    /// <summary>Sums of squares below this are of no effect in a column that is not extreme, and too close to the end of the range to be exact.</summary>
    private const double Negligible = 1e-270;

    private readonly VectorLoops _loops;
    private readonly TallMatrix _matrix;

    /// <summary>T of each panel of each block, [8, 8]; null where there is nothing to reduce and Q is the identity.</summary>
    private readonly double[]? _t;

    /// <param name="matrix">A; taken over.</param>
    /// <param name="loops">What computes.</param>
    public ThinQr(TallMatrix matrix, VectorLoops loops)
    {
        (_matrix, _loops) = (matrix, loops);
        Size = Math.Min(matrix.Rows, matrix.Columns);
        R = new double[checked(VectorLoops.Padded(Size) * matrix.Stride)];
        if (matrix.Rows < matrix.Columns)
        {
            for (int panel = 0; panel < matrix.Panels; panel++) TakeRows(panel, Size, matrix.Values.AsSpan(matrix.Offset(0, panel)));
            return;
        }

        _t = new double[matrix.Blocks * matrix.Panels * Width * Width];
        fixed (double* values = matrix.Values, r = R, t = _t)
        {
            for (int block = 0; block < matrix.Blocks; block++) Reduce(values, r, t, block);
        }
    }

    /// <summary>Rows of R and columns of Q.</summary>
    public int Size { get; }

    /// <summary>R [size, columns], rows <see cref="Stride"/> apart, columns divided by the matrix's powers of two.</summary>
    public double[] R { get; }

    public int Stride => _matrix.Stride;

    /// <summary>The first column, of those that begin a panel, before which a row of R is zero.</summary>
    public int FirstColumn(int row) => _t is null ? 0 : row / Width * Width;

    /// <summary>Exponents of the powers of two that belong to R's columns.</summary>
    public int[] Exponents => _matrix.Exponents;

    /// <summary>Q·X for X [size, columns], row-major with rows <paramref name="stride"/> apart; the result is [rows, columns], row-major.</summary>
    public double[] Multiply(ReadOnlySpan<double> x, int columns, int stride)
    {
        double[] result = new double[checked(_matrix.Rows * columns)];
        if (_t is null)
        {
            for (int i = 0; i < Size; i++) x.Slice(i * stride, columns).CopyTo(result.AsSpan(i * columns));
            return result;
        }

        // X in panels; what is on top of each is used up from the last block to the first. A block is read once for all of them.
        int topLength = VectorLoops.Padded(Size) * Width;
        double[] tops = new double[checked(VectorLoops.Padded(columns) / Width * topLength)];
        for (int i = 0; i < Size; i++)
        {
            for (int j = 0; j < columns; j++) tops[(j / Width * topLength) + (i * Width) + (j % Width)] = x[(i * stride) + j];
        }

        double[] rows = new double[_matrix.LongestBlock * Width];
        for (int block = _matrix.Blocks - 1; block >= 0; block--)
        {
            int start = _matrix.Start(block);
            int count = _matrix.Start(block + 1) - start;
            for (int first = 0; first < columns; first += Width)
            {
                Expand(block, count, tops.AsSpan(first / Width * topLength, topLength), rows);
                int width = Math.Min(Width, columns - first);
                for (int i = 0; i < count; i++) rows.AsSpan(i * Width, width).CopyTo(result.AsSpan(((start + i) * columns) + first));
            }
        }

        return result;
    }

    /// <summary>Gives the memory of the reflections back.</summary>
    public void Dispose() => _matrix.Dispose();

    /// <summary>One block becomes reflections that take it, and the R so far on top of it, to R.</summary>
    private void Reduce(double* values, double* r, double* t, int block)
    {
        int rows = _matrix.Start(block + 1) - _matrix.Start(block);
        double* sums = stackalloc double[Width * Width];
        double* w = stackalloc double[Width * Width];
        for (int panel = 0; panel < _matrix.Panels; panel++)
        {
            double* v = values + _matrix.Offset(block, panel);
            double* panelT = t + (((block * _matrix.Panels) + panel) * Width * Width);
            if (block == 0) ReducePanel(v + (panel * Width * Width), Width, rows - (panel * Width), panel, isFirst: true, panelT, v);
            else ReducePanel(r + (panel * Width * Stride) + (panel * Width), Stride, rows, panel, isFirst: false, panelT, v);
            for (int other = panel + 1; other < _matrix.Panels; other++)
            {
                double* x = values + _matrix.Offset(block, other);
                double* top = r + (panel * Width * Stride) + (other * Width);
                for (int i = 0; i < Width * Width; i++) sums[i] = block == 0 ? 0 : top[(i / Width * Stride) + (i % Width)];
                _loops.AddTransposedProduct(v, x, rows, sums);
                MultiplyT(panelT, sums, w, transposed: true);
                for (int i = 0; i < Width * Width && block > 0; i++) top[(i / Width * Stride) + (i % Width)] -= w[i];
                _loops.SubtractProduct(v, w, rows, x);
            }
        }
    }

    /// <summary>
    /// Reflections of one panel. Column j's is I − τ·v·vᵀ with v = 1 at its row of <paramref name="top"/> and, below, the column over
    /// α − β; β = −sign(α)·norm takes the place of α.
    /// </summary>
    /// <param name="top">The rows that become R: of the block itself (the first), or of R.</param>
    /// <param name="topStride">Their distance.</param>
    /// <param name="rows">How many rows, from the first of top on (the first block) or of the block.</param>
    /// <param name="panel">Which panel.</param>
    /// <param name="isFirst">Whether top is part of the block.</param>
    /// <param name="t">Becomes T.</param>
    /// <param name="v">The panel; becomes V.</param>
    private void ReducePanel(double* top, int topStride, int rows, int panel, bool isFirst, double* t, double* v)
    {
        double* dots = stackalloc double[Width];
        double* factors = stackalloc double[Width];
        double* scales = stackalloc double[Width];
        double* tau = stackalloc double[Width];
        int width = Math.Min(Width, _matrix.Columns - (panel * Width));
        for (int j = 0; j < Width; j++) scales[j] = tau[j] = 0;
        for (int j = 0; j < width; j++)
        {
            double* row = top + (j * topStride);
            double* below = isFirst ? row + Width : v;
            int count = isFirst ? rows - j - 1 : rows;
            _loops.ColumnDots(below, count, j, dots);
            // Nothing to reflect: T and v stay zero, what is below goes.
            if (dots[j] < Negligible) continue;
            double alpha = row[j];
            double norm = Math.Sqrt((alpha * alpha) + dots[j]);
            double beta = alpha < 0 ? norm : -norm;
            tau[j] = (beta - alpha) / beta;
            scales[j] = 1 / (alpha - beta);
            row[j] = beta;
            for (int c = 0; c < Width; c++)
            {
                factors[c] = 0;
                if (c <= j) continue;
                double w = tau[j] * (row[c] + (scales[j] * dots[c]));
                row[c] -= w;
                factors[c] = -scales[j] * w;
            }

            _loops.AddColumn(below, count, j, factors);
        }

        int inTop = isFirst ? Math.Min(Width, rows) : 0;
        if (isFirst) TakeFirst(top, inTop, panel, scales, v);
        _loops.ScaleColumns((isFirst ? top : v) + (inTop * Width), rows - inTop, scales);
        CompactWy(v, isFirst ? rows + (panel * Width) : rows, tau, t);
    }

    /// <summary>In the first block R's rows lie in the panel itself: they are taken out, and V has ones on its diagonal and zeros above.</summary>
    private void TakeFirst(double* top, int count, int panel, double* scales, double* v)
    {
        TakeRows(panel, (panel * Width) + count, new ReadOnlySpan<double>(v, ((panel * Width) + count) * Width));
        new Span<double>(v, panel * Width * Width).Clear();
        for (int i = 0; i < count; i++)
        {
            for (int c = 0; c < Width; c++)
            {
                double* value = top + (i * Width) + c;
                if (c < i)
                {
                    R[(((panel * Width) + i) * Stride) + (panel * Width) + c] = 0;
                    *value *= scales[c];
                }
                else
                {
                    *value = c == i && scales[c] != 0 ? 1 : 0;
                }
            }
        }
    }

    private void TakeRows(int panel, int count, ReadOnlySpan<double> rows)
    {
        count = Math.Min(count, Size);
        for (int i = 0; i < count; i++) rows.Slice(i * Width, Width).CopyTo(R.AsSpan((i * Stride) + (panel * Width)));
    }

    /// <summary>T, upper triangular, so that the product of the panel's reflections is I − V·T·Vᵀ.</summary>
    private void CompactWy(double* v, int rows, double* tau, double* t)
    {
        double* gram = stackalloc double[Width * Width];
        new Span<double>(gram, Width * Width).Clear();
        _loops.AddTransposedProduct(v, v, rows, gram);
        for (int j = 0; j < Width; j++)
        {
            for (int i = 0; i < j; i++)
            {
                double sum = 0;
                for (int k = i; k < j; k++) sum += t[(i * Width) + k] * gram[(k * Width) + j];
                t[(i * Width) + j] = -tau[j] * sum;
            }

            t[(j * Width) + j] = tau[j];
        }
    }

    /// <summary>The rows of a block out of what is on top, which is what the blocks before it see.</summary>
    private void Expand(int block, int count, Span<double> top, double[] rows)
    {
        rows.AsSpan(0, count * Width).Clear();
        if (block == 0) top[..(Size * Width)].CopyTo(rows);
        double* sums = stackalloc double[Width * Width];
        double* w = stackalloc double[Width * Width];
        fixed (double* values = _matrix.Values, topRows = top, x = rows, t = _t)
        {
            for (int panel = _matrix.Panels - 1; panel >= 0; panel--)
            {
                double* v = values + _matrix.Offset(block, panel);
                double* panelTop = topRows + (panel * Width * Width);
                for (int i = 0; i < Width * Width; i++) sums[i] = block == 0 ? 0 : panelTop[i];
                // At first the rows of a later block are zero.
                if (block == 0 || panel < _matrix.Panels - 1) _loops.AddTransposedProduct(v, x, count, sums);
                MultiplyT(t + (((block * _matrix.Panels) + panel) * Width * Width), sums, w, transposed: false);
                for (int i = 0; i < Width * Width && block > 0; i++) panelTop[i] -= w[i];
                _loops.SubtractProduct(v, w, count, x);
            }
        }
    }

    /// <summary>w = T·x or Tᵀ·x.</summary>
    private static void MultiplyT(double* t, double* x, double* w, bool transposed)
    {
        new Span<double>(w, Width * Width).Clear();
        for (int i = 0; i < Width; i++)
        {
            for (int k = transposed ? 0 : i; k < (transposed ? i + 1 : Width); k++)
            {
                double factor = transposed ? t[(k * Width) + i] : t[(i * Width) + k];
                for (int c = 0; c < Width; c++) w[(i * Width) + c] += factor * x[(k * Width) + c];
            }
        }
    }
}
