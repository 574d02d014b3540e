using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>
/// What happens to one tensor of the base, in the order it happens: its values may be replaced, rows of it may be replaced, and
/// then every update is added at once.
/// </summary>
internal sealed class TensorEdit(string name, TensorValue? @base, DType baseType, TensorShape shape)
{
    private readonly List<WeightedDelta> _deltas = [];
    private readonly List<string> _words = [];

    /// <summary>The tensor's name in the output.</summary>
    public string Name { get; } = name;

    /// <summary>The base's values; null for a tensor that only the output has.</summary>
    public TensorValue? Base { get; } = @base;

    /// <summary>The base's element type (its tied partner's for a tensor that only the output has).</summary>
    public DType BaseType { get; } = baseType;

    /// <summary>The shape before replacement.</summary>
    public TensorShape OldShape { get; } = shape;

    /// <summary>The shape after replacement.</summary>
    public TensorShape Shape { get; private set; } = shape;

    /// <summary>What takes the place of all values, and by how much.</summary>
    public WeightedReplacement? Whole { get; private set; }

    /// <summary>What takes the place of single rows, in order; later ones win.</summary>
    public Dictionary<long, WeightedRow> Rows { get; } = [];

    /// <summary>Everything that is added, in the order of the adapters.</summary>
    public IReadOnlyList<WeightedDelta> Deltas => _deltas;

    /// <summary>The same in words, for the plan.</summary>
    public IReadOnlyList<string> Words => _words;

    /// <summary>Whether nothing happens to the tensor.</summary>
    public bool IsEmpty => Whole is null && Rows.Count == 0 && _deltas.Count == 0;

    /// <summary>Whether values from several places make up the tensor, in F64, before a product is added: others, or updates that are made row by row.</summary>
    public bool IsComposed => Rows.Count > 0 || Whole is { Weight: not 1 } || _deltas.Exists(d => !d.IsProduct);

    /// <summary>The tensor as a matrix, as its updates see it.</summary>
    public (long Rows, long Columns) AsMatrix() => Shape.AsMatrix(TensorUpdates.RowDimensions(_deltas));

    public void Replace(WeightedReplacement replacement, string word)
    {
        Whole = replacement;
        Shape = replacement.Values.Shape;
        _words.Add(word);
    }

    public void ReplaceRow(long row, WeightedRow values) => Rows[row] = values;

    public void Describe(string word) => _words.Add(word);

    public void Add(WeightedDelta delta, string word)
    {
        _deltas.Add(delta);
        _words.Add(word);
    }
}

/// <summary>An update with the weight its adapter was given.</summary>
/// <param name="Delta">The update.</param>
/// <param name="Weight">The adapter's weight.</param>
/// <param name="Transposed">Whether the base stores the matrix as [in, out].</param>
internal sealed record WeightedDelta(AdapterDelta Delta, double Weight, bool Transposed)
{
    /// <summary>What it changes of the tensor; null for all of it.</summary>
    public Region? Region { get; init; }

    /// <summary>Which rows of the update those are; null for all.</summary>
    public RowRange? Rows { get; init; }

    /// <summary>Where all rows of the weight are, for an update of some that depends on it; empty where it has all.</summary>
    public IReadOnlyList<WeightPart> Whole { get; init; } = [];

    /// <summary>How many heads the tensor's rows are, where it has them in llama.cpp's order; null where they are in the update's.</summary>
    public long? Heads { get; init; }

    /// <summary>The update that it is an expert's part of, and which; null where it is an update by itself.</summary>
    public (ExpertsDelta Whole, ExpertPart Part)? PartOf { get; init; }

    /// <summary>How many leading dimensions of the tensor count as rows, for it.</summary>
    public int RowDimensions => Region?.RowDimensions ?? Delta.RowDimensions;

    /// <summary>Whether it is of low rank and on whole rows of the tensor, so that a backend adds it as a product.</summary>
    public bool IsProduct => Delta is FactoredDelta && (Region is null || (Region.IsRows && !Transposed));
}

/// <summary>New values V for a tensor: W + weight·(V − W), which is V itself at weight 1.</summary>
internal sealed record WeightedReplacement(TensorValue Values, double Weight, string Adapter);

/// <summary>New values for one row: row <paramref name="Index"/> of <paramref name="Values"/>, weighted in the same way.</summary>
internal readonly record struct WeightedRow(TensorValue Values, long Index, double Weight, string Adapter);
