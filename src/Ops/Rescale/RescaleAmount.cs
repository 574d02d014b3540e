namespace LoraKit.Ops.Rescale;

/// <summary>What the updates' scales become: a closed family. See spec/algebra.md, "rescale".</summary>
public abstract record RescaleAmount
{
    private RescaleAmount()
    {
    }

    /// <summary>s' = X·s.</summary>
    /// <param name="Factor">X, finite; may be negative or 0.</param>
    public sealed record By(double Factor) : RescaleAmount;

    /// <summary>α' = A: s' = A/r, or A/√r where the adapter is rank-stabilized.</summary>
    /// <param name="Value">A, finite and not 0.</param>
    public sealed record Alpha(double Value) : RescaleAmount;

    /// <summary>s' = s·N/√Σ‖ΔW‖², the sum over all chosen updates.</summary>
    /// <param name="Value">N, the Frobenius norm of the whole update: above 0.</param>
    public sealed record Norm(double Value) : RescaleAmount;

    /// <summary>As <see cref="Norm"/>, with the norm of another adapter's updates of the chosen names.</summary>
    /// <param name="Adapter">A folder or a file.</param>
    public sealed record Match(string Adapter) : RescaleAmount;
}
