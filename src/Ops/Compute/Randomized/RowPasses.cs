using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Compute.Randomized;

/// <summary>
/// What is computed while the rows of X go by, in tiles that stay in the cache. Rows are cut into parts, and parts added up, in a way
/// that depends on the sizes alone, so the result does not depend on the number of threads.
/// </summary>
internal sealed unsafe class RowPasses(IRowSource source, PanelProduct product, int threads, CancellationToken cancellation)
{
    /// <summary>A tile that stays in the second-level cache.</summary>
    private const int TileBytes = 512 << 10;

    /// <summary>More parts than this are no gain, and each costs a sum of all.</summary>
    private const int MostParts = 32;

    /// <summary>Columns that are multiplied at once: their part of a panel stays in the first-level cache.</summary>
    private const int Sweep = 128;

    /// <summary>As <see cref="Sweep"/>, where it is the rows of the result.</summary>
    private const int TransposedSweep = 32;

    private readonly int _rows = checked((int)source.Rows);
    private readonly int _columns = source.Columns;
    private readonly int _threads = threads > 0 ? threads : Environment.ProcessorCount;
    private readonly int _tileRows = Math.Clamp(TileBytes / (Stride(source.Columns) * sizeof(double)), 8, 256) / 4 * 4;
    private readonly System.Collections.Concurrent.ConcurrentBag<PanelMatrix> _tiles = [];

    /// <summary>XᵀX·V, and X·V and ‖X‖²_F on the way.</summary>
    public (PanelMatrix Result, PanelMatrix Projection, double Energy) Gram(PanelMatrix v)
    {
        PanelMatrix result = new(_columns, v.Columns), projection = new(_rows, v.Columns);
        PanelMatrix[] sums = [.. Enumerable.Range(0, Math.Min(_threads, Parts)).Select(_ => new PanelMatrix(_columns, v.Columns))];
        double[] energies = new double[Parts];
        for (int wave = 0; wave < Parts; wave += sums.Length)
        {
            int width = Math.Min(sums.Length, Parts - wave);
            Each(wave, width, part =>
            {
                PanelMatrix sum = sums[part - wave];
                sum.Clear();
                Tiles(part, (tile, first, count) =>
                {
                    Multiply(tile, count, v, projection, first);
                    MultiplyTransposed(tile, count, projection, first, sum);
                    energies[part] += Energy(tile, count);
                });
            });
            for (int i = 0; i < width; i++) Add(result.Values, sums[i].Values);
        }

        return (result, projection, energies.Sum());
    }

    /// <summary>X·V.</summary>
    public PanelMatrix Project(PanelMatrix v)
    {
        PanelMatrix result = new(_rows, v.Columns);
        EachPart(part => Tiles(part, (tile, first, count) => Multiply(tile, count, v, result, first)));
        return result;
    }

    /// <summary>‖X − left·right‖²_F and ‖X‖²_F, element by element.</summary>
    /// <param name="left">[rows, k], row-major.</param>
    /// <param name="right">[k, columns], row-major.</param>
    /// <param name="rank">k.</param>
    public (double Residual, double Energy) Compare(double[] left, double[] right, int rank)
    {
        PanelMatrix factor = PanelMatrix.From(right, rank, _columns);
        double[] residuals = new double[Parts], energies = new double[Parts];
        EachPart(part =>
        {
            PanelMatrix approximation = new(_tileRows, PanelMatrix.PanelColumns);
            double* values = approximation.Panel(0);
            Tiles(part, (tile, first, count) =>
            {
                energies[part] += Energy(tile, count);
                fixed (double* a = left)
                {
                    for (int panel = 0; panel < factor.Panels; panel++)
                    {
                        approximation.Clear();
                        product.Add(a + ((nint)first * rank), rank, 1, count, rank, factor.Panel(panel), values);
                        int column = panel * PanelMatrix.PanelColumns;
                        Subtract(tile + column, count, Math.Min(PanelMatrix.PanelColumns, _columns - column), values);
                    }
                }

                residuals[part] += Energy(tile, count);
            });
        });
        return (residuals.Sum(), energies.Sum());
    }

    /// <summary>All of X, row-major.</summary>
    public double[] ReadAll()
    {
        double[] values = new double[_rows * _columns];
        EachPart(part =>
        {
            (int first, int end) = Part(part);
            source.ReadRows(first, end - first, values.AsSpan(first * _columns, (end - first) * _columns), _columns);
        });
        return values;
    }

    private int Parts => Math.Clamp((_rows + _tileRows - 1) / _tileRows, 1, MostParts);

    /// <summary>An odd number of cache lines: rows of a tile then begin in different sets of the cache.</summary>
    private static int Stride(int columns) => (((columns + 7) / 8) | 1) * 8;

    private (int First, int End) Part(int part) => ((int)((long)_rows * part / Parts), (int)((long)_rows * (part + 1) / Parts));

    private void EachPart(Action<int> work) => Each(0, Parts, work);

    private void Each(int first, int count, Action<int> work) => ModuleLoop.Run(
        [.. Enumerable.Range(first, count)],
        part =>
        {
            work(part);
            return true;
        },
        _ => 0, _ => "", _threads, progress: null, cancellation);

    private delegate void TileWork(double* tile, int first, int count);

    private void Tiles(int part, TileWork work)
    {
        int stride = Stride(_columns);
        if (!_tiles.TryTake(out PanelMatrix? buffer)) buffer = new PanelMatrix(((_tileRows * stride) + 15) / 16, PanelMatrix.PanelColumns);
        (int first, int end) = Part(part);
        for (int row = first; row < end; row += _tileRows)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(_tileRows, end - row);
            source.ReadRows(row, count, buffer.Values[..(count * stride)], stride);
            work(buffer.Panel(0), row, count);
        }

        _tiles.Add(buffer);
    }

    private void Multiply(double* tile, int count, PanelMatrix v, PanelMatrix result, int firstRow)
    {
        for (int column = 0; column < _columns; column += Sweep)
        {
            int width = Math.Min(Sweep, _columns - column);
            for (int panel = 0; panel < v.Panels; panel++)
            {
                product.Add(
                    tile + column, Stride(_columns), 1, count, width,
                    v.Panel(panel) + ((nint)column * PanelMatrix.PanelColumns), result.Panel(panel) + ((nint)firstRow * PanelMatrix.PanelColumns));
            }
        }
    }

    private void MultiplyTransposed(double* tile, int count, PanelMatrix projection, int firstRow, PanelMatrix result)
    {
        for (int column = 0; column < _columns; column += TransposedSweep)
        {
            int width = Math.Min(TransposedSweep, _columns - column);
            for (int panel = 0; panel < projection.Panels; panel++)
            {
                product.Add(
                    tile + column, 1, Stride(_columns), width, count,
                    projection.Panel(panel) + ((nint)firstRow * PanelMatrix.PanelColumns), result.Panel(panel) + ((nint)column * PanelMatrix.PanelColumns));
            }
        }
    }

    private void Subtract(double* tile, int count, int width, double* values)
    {
        int stride = Stride(_columns);
        for (int i = 0; i < count; i++)
        {
            for (int j = 0; j < width; j++) tile[((nint)i * stride) + j] -= values[(i * PanelMatrix.PanelColumns) + j];
        }
    }

    private double Energy(double* tile, int count)
    {
        double energy = 0;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<double> row = new(tile + ((nint)i * Stride(_columns)), _columns);
            energy += DotProduct.Of(row, row);
        }

        return energy;
    }

    private static void Add(Span<double> sum, ReadOnlySpan<double> addend)
    {
        for (int i = 0; i < sum.Length; i++) sum[i] += addend[i];
    }
}
