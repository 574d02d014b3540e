namespace LoraKit.Ops.Unmerge;

/// <summary>How a base comes back.</summary>
public enum UnmergeMethod : byte
{
    /// <summary>By the record that the merge wrote: to the bit.</summary>
    Undo,

    /// <summary>By subtracting the adapters: as near as the merged values tell.</summary>
    Adapter,

    /// <summary>By the base itself.</summary>
    Base,
}

/// <summary>What an unmerge did.</summary>
public sealed record UnmergeReport
{
    /// <summary>Where the result is.</summary>
    public required string Output { get; init; }

    /// <summary>How the base came back.</summary>
    public required UnmergeMethod Method { get; init; }

    /// <summary>Tensors in the output.</summary>
    public required int TensorsTotal { get; init; }

    /// <summary>Tensors that were made anew.</summary>
    public required int TensorsRestored { get; init; }

    /// <summary>Tensors that were copied byte for byte from the merged model.</summary>
    public int TensorsCopied => TensorsTotal - TensorsRestored;

    /// <summary>Elements that subtracting alone would have left wrong (of a base: in which the merged model differs from it).</summary>
    public required long ElementsRepaired { get; init; }

    /// <summary>
    /// Elements that may differ from the base's: another one would have merged to the same value. 0 where the base comes back to the bit.
    /// </summary>
    public required long MayDiffer { get; init; }

    /// <summary>Bytes written, all files together.</summary>
    public required long BytesWritten { get; init; }

    /// <summary>Wall time.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>What the user should know afterwards, one line each.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }
}
