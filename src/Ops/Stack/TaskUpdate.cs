namespace LoraKit.Ops.Stack;

/// <summary>What one adapter does to one module: Δ = Up · Down, weight and scale folded into Up.</summary>
/// <param name="Adapter">Which adapter: its place among the inputs.</param>
/// <param name="Up">w·s·B: [out, r].</param>
/// <param name="Down">A: [r, in], kernel included.</param>
internal sealed record TaskUpdate(int Adapter, Matrix Up, Matrix Down)
{
    public int Rank => Up.Columns;
}

/// <summary>A combined update as a product, Left [out, k] · Right [k, in].</summary>
internal sealed record CombinedUpdate(Matrix Left, Matrix Right)
{
    public int Rank => Left.Columns;

    /// <summary>Σ Δ_t: the factors side by side.</summary>
    public static CombinedUpdate Sum(IReadOnlyList<TaskUpdate> tasks) =>
        new(Matrix.Beside([.. tasks.Select(t => t.Up)]), Matrix.Above([.. tasks.Select(t => t.Down)]));
}
