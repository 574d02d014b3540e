namespace LoraKit.Formats.Adapters;

/// <summary>How far an orthogonal kind may turn: the largest norm of all its Q together (alpha · out in LyCORIS and sd-scripts).</summary>
/// <param name="Norm">The largest norm.</param>
/// <param name="IsAlways">
/// As sd-scripts, which multiplies by (min(‖Q‖, Norm) + ε) / (‖Q‖ + ε) always, also where Norm is 0. LyCORIS multiplies by Norm / (‖Q‖ + ε), and only
/// where that is below 1.
/// </param>
public sealed record OrthogonalLimit(double Norm, bool IsAlways)
{
    /// <summary>What Q is multiplied by.</summary>
    internal double Factor(double norm, double epsilon) =>
        IsAlways ? (Math.Min(norm, Norm) + epsilon) / (norm + epsilon)
        : norm + epsilon > Norm ? Norm / (norm + epsilon)
        : 1;
}
