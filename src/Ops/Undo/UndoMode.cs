namespace LoraKit.Ops.Undo;

/// <summary>How a block of corrections is written; the first byte of its code. A block without corrections has no code at all.</summary>
internal enum UndoMode : byte
{
    /// <summary>Where the prediction is wrong, and by how much.</summary>
    Sparse = 1,

    /// <summary>By how much, for every element.</summary>
    Dense = 2,

    /// <summary>The original's bytes.</summary>
    Raw = 3,
}
