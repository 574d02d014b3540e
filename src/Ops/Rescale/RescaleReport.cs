namespace LoraKit.Ops.Rescale;

/// <summary>What becomes of one update.</summary>
/// <param name="Name">The module; with the parameter's name where it is not <c>weight</c>.</param>
/// <param name="ScaleBefore">Its scale.</param>
/// <param name="ScaleAfter">What its update is multiplied with from now on, folded or not.</param>
/// <param name="SplitQkv">3 or 4 where that much was missing in a file trained with <c>split_qkv</c>, else null.</param>
public sealed record RescaledModule(string Name, double ScaleBefore, double ScaleAfter, int? SplitQkv);

/// <summary>What a rescale did.</summary>
public sealed record RescaleReport
{
    /// <summary>The adapter that was written.</summary>
    public required string Output { get; init; }

    /// <summary>Every update, in the file's order.</summary>
    public required IReadOnlyList<RescaledModule> Modules { get; init; }

    /// <summary>The bytes that were written.</summary>
    public required long BytesWritten { get; init; }
}
