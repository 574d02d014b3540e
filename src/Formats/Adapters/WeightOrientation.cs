namespace LoraKit.Formats.Adapters;

/// <summary>How the base stores the matrix that an update belongs to.</summary>
public enum WeightOrientation : byte
{
    /// <summary>[out, in], as <c>nn.Linear</c> does.</summary>
    OutIn,

    /// <summary>[in, out], as transformers' Conv1D does: the stored update is ΔWᵀ.</summary>
    InOut,

    /// <summary>To be seen from the base's shape; <see cref="AdapterDelta.SquareIsInOut"/> decides only where that is square.</summary>
    FromShape,
}
