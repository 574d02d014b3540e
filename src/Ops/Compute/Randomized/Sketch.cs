namespace LoraKit.Ops.Compute.Randomized;

/// <summary>An orthonormal basis V in blocks, and X·V.</summary>
internal sealed unsafe class Sketch
{
    private readonly List<PanelMatrix> _basis = [];
    private readonly List<PanelMatrix> _projections = [];

    /// <summary>V's blocks, each of whole panels.</summary>
    public IReadOnlyList<PanelMatrix> Basis => _basis;

    /// <summary>V's columns.</summary>
    public int Size { get; private set; }

    /// <summary>‖X·V‖²_F.</summary>
    public double Captured { get; private set; }

    public void Add(PanelMatrix basis, PanelMatrix projection)
    {
        _basis.Add(basis);
        _projections.Add(projection);
        Size += basis.Columns;
        Captured += DotProduct.Of(projection.Values, projection.Values);
    }

    /// <summary>X·V, row-major.</summary>
    public double[] Left()
    {
        double[] left = new double[_projections[0].Rows * Size];
        Span<double> rest = left;
        foreach (PanelMatrix block in _projections)
        {
            for (int panel = 0; panel < block.Panels; panel++, rest = rest[PanelMatrix.PanelColumns..])
            {
                for (int i = 0; i < block.Rows; i++)
                {
                    new ReadOnlySpan<double>(block.Panel(panel) + ((nint)i * PanelMatrix.PanelColumns), PanelMatrix.PanelColumns).CopyTo(rest[(i * Size)..]);
                }
            }
        }

        return left;
    }

    /// <summary>Vᵀ, row-major.</summary>
    public double[] Right()
    {
        double[] right = new double[Size * _basis[0].Rows];
        int at = 0;
        foreach (PanelMatrix block in _basis)
        {
            for (int j = 0; j < block.Columns; j++)
            {
                for (int i = 0; i < block.Rows; i++) right[at++] = block[i, j];
            }
        }

        return right;
    }

    /// <summary>V·turn.</summary>
    /// <param name="turn">[size, columns], row-major.</param>
    /// <param name="columns">Columns of turn.</param>
    /// <param name="product">What multiplies.</param>
    /// <returns>[rows of V, columns], row-major.</returns>
    public double[] Turn(double[] turn, int columns, PanelProduct product)
    {
        const int Panel = PanelMatrix.PanelColumns;
        int rows = _basis[0].Rows;
        PanelMatrix factor = PanelMatrix.From(turn, Size, columns), result = new(rows, columns);
        for (int panel = 0; panel < result.Panels; panel++)
        {
            double* values = factor.Panel(panel);
            foreach (PanelMatrix block in _basis)
            {
                for (int p = 0; p < block.Panels; p++, values += Panel * Panel) product.Add(block.Panel(p), Panel, 1, rows, Panel, values, result.Panel(panel));
            }
        }

        double[] turned = new double[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++) turned[(i * columns) + j] = result[i, j];
        }

        return turned;
    }
}
