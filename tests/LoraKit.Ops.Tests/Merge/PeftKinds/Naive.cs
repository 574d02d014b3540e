namespace LoraKit.Ops.Tests.Merge.PeftKinds;

/// <summary>Matrices in naive loops, row-major with their sizes beside them: what kinds are checked against.</summary>
internal sealed record Naive(int Rows, int Columns, double[] Values)
{
    public double this[int i, int j] => Values[(i * Columns) + j];

    public static Naive Of(int rows, int columns, Func<int, int, double> value) =>
        new(rows, columns, [.. Enumerable.Range(0, rows * columns).Select(i => value(i / columns, i % columns))]);

    public static Naive Identity(int size) => Of(size, size, (i, j) => i == j ? 1 : 0);

    public Naive T => Of(Columns, Rows, (i, j) => this[j, i]);

    public double[] Column(int j) => [.. Enumerable.Range(0, Rows).Select(i => this[i, j])];

    public static Naive operator *(Naive left, Naive right) =>
        Of(left.Rows, right.Columns, (i, j) => Enumerable.Range(0, left.Columns).Sum(k => left[i, k] * right[k, j]));

    public static Naive operator *(double factor, Naive matrix) => Of(matrix.Rows, matrix.Columns, (i, j) => factor * matrix[i, j]);

    public static Naive operator +(Naive left, Naive right) => Of(left.Rows, left.Columns, (i, j) => left[i, j] + right[i, j]);

    public static Naive operator -(Naive left, Naive right) => left + (-1 * right);

    /// <summary>By Gauss and Jordan.</summary>
    public Naive Inverse()
    {
        double[][] rows = [.. Enumerable.Range(0, Rows).Select(i => (double[])[.. Enumerable.Range(0, Rows).Select(j => this[i, j]), .. Enumerable.Range(0, Rows).Select(j => i == j ? 1.0 : 0)])];
        for (int k = 0; k < Rows; k++)
        {
            int pivot = Enumerable.Range(k, Rows - k).MaxBy(i => Math.Abs(rows[i][k]));
            (rows[k], rows[pivot]) = (rows[pivot], rows[k]);
            double by = rows[k][k];
            rows[k] = [.. rows[k].Select(x => x / by)];
            for (int i = 0; i < Rows; i++)
            {
                double factor = rows[i][k];
                if (i != k) rows[i] = [.. rows[i].Zip(rows[k], (x, y) => x - (factor * y))];
            }
        }

        return Of(Rows, Rows, (i, j) => rows[i][Rows + j]);
    }

    public static Naive BlockDiagonal(IReadOnlyList<Naive> blocks)
    {
        int size = blocks[0].Rows;
        return Of(blocks.Count * size, blocks.Count * size, (i, j) => i / size == j / size ? blocks[i / size][i % size, j % size] : 0);
    }
}
