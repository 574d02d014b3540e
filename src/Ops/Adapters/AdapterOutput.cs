using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Adapters;

/// <summary>In which element type computed factors are stored.</summary>
public enum FactorType : byte
{
    /// <summary>The source's own type where that holds every value exactly, else F32 (F64 where a source is F64).</summary>
    Exact,

    /// <summary>The source's own type, rounded to nearest where it does not hold a value.</summary>
    Keep,

    /// <summary>F32.</summary>
    F32,

    /// <summary>F16.</summary>
    F16,

    /// <summary>BF16.</summary>
    BF16,
}

/// <summary>What a <see cref="FactorType"/> says.</summary>
internal static class FactorTypes
{
    /// <summary>The element type that it names; null where that is up to the source.</summary>
    public static DType? Fixed(this FactorType type) => type switch
    {
        FactorType.F32 => DType.F32,
        FactorType.F16 => DType.F16,
        FactorType.BF16 => DType.BF16,
        _ => null,
    };
}

/// <summary>Where and how an operation writes its adapter.</summary>
/// <param name="Path">A folder, or a <c>.safetensors</c> file for a layout of one file.</param>
public sealed record AdapterOutput(string Path)
{
    /// <summary>The element type of factors that are computed; those that are carried over keep their own.</summary>
    public FactorType ElementType { get; init; }

    /// <summary>Replaces an existing output; an input is never replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Flushes the output to the disk before its final name appears.</summary>
    public bool Flush { get; init; } = true;
}
