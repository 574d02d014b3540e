using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>One weight of a vocabulary at a tiny size: its update by factors as an adapter has them, by either naming, and ΔW by naive loops.</summary>
internal sealed class VocabularyWeight
{
    private readonly NameRule _rule;
    private readonly string[] _numbers;
    private readonly int[] _rows;
    private readonly int _columns;
    private readonly bool _isSwapped;
    private readonly Random _random;

    /// <param name="part">Whose it is.</param>
    /// <param name="rule">Which it is.</param>
    /// <param name="block">What stands for every number; even ones have one A for all parts of a fused weight, odd ones one of each.</param>
    public VocabularyWeight(ModelPart part, NameRule rule, int block)
    {
        (Part, _rule, IsShared) = (part, rule, block % 2 == 0);
        _numbers = [.. Enumerable.Repeat($"{block}", rule.Original.Count(c => c == '#'))];
        _random = new Random(HashCode.Combine(rule.Original.Length, rule.Diffusers[0].Length, block));
        bool isLast = rule.Division == RowDivision.HalvesSwappedWhereLast && block % 2 == 1;
        _isSwapped = isLast || rule.Division == RowDivision.HalvesSwapped;
        (_rows, _columns) = rule.Division switch
        {
            var d when d == RowDivision.Equal => (Enumerable.Repeat(3, rule.Diffusers.Count).ToArray(), 7),
            var d when d == RowDivision.ColumnsThenRest => ([5, 5, 5, 11], 5),
            var d when d == RowDivision.GroupedQueries => ([7, 3, 3], 7),
            var d when d == RowDivision.HalvesSwapped => ([6], 5),
            var d when d == RowDivision.HalvesSwappedWhereLast => isLast ? ([10], 5) : ([15], 5),
            var d when d == RowDivision.Whole => ([5], 7),
            _ => throw new NotSupportedException("a division that this test does not know"),
        };
    }

    public ModelPart Part { get; }

    /// <summary>Whether all parts of a fused weight have one A.</summary>
    public bool IsShared { get; }

    /// <summary>An adapter's updates of it.</summary>
    /// <param name="spelling">How the adapter spells it.</param>
    /// <param name="isScaled">Whether scales are other than 1.</param>
    public IEnumerable<LowRankDelta> Updates(PartSpelling spelling, bool isScaled)
    {
        double scale = isScaled ? 0.75 : 1;
        if (spelling.Naming != Naming.Diffusers)
        {
            int[] ranks = [.. _rows.Select((_, part) => IsShared || !_rule.IsFused ? 0 : part + 1)];
            int rank = ranks.Sum() is > 0 and int sum ? sum : 4;
            double[] up = Values(_rows.Sum() * rank);
            if (ranks.Sum() > 0) KeepBlocks(up, rank, ranks);
            yield return Update(Names(spelling)[0], up, Values(rank * _columns), _rows.Sum(), rank, scale);
            yield break;
        }

        double[] shared = Values(2 * _columns);
        for (int part = 0; part < _rows.Length; part++)
        {
            int rank = IsShared ? 2 : part + 1;
            double own = isScaled && !IsShared ? scale * (part + 1) : scale;
            yield return Update(Names(spelling)[part], Values(_rows[part] * rank), IsShared ? shared : Values(rank * _columns), _rows[part], rank, own);
        }
    }

    /// <summary>What the modules are called.</summary>
    public string[] Names(PartSpelling spelling) => [.. Enumerable.Range(0, _rule.Modules(spelling.Naming).Count).Select(module => spelling.Spell(_rule.Name(spelling.Naming, module, _numbers)))];

    /// <summary>ΔW of each module by another spelling.</summary>
    /// <param name="updates">ΔW of each by <paramref name="source"/>, in order.</param>
    /// <param name="source">Whose modules they are.</param>
    /// <param name="target">Whose are asked for.</param>
    public double[][] Regrouped(double[][] updates, PartSpelling source, PartSpelling target)
    {
        bool isDivided = source.Naming == Naming.Diffusers;
        if (isDivided == (target.Naming == Naming.Diffusers)) return updates;
        if (_isSwapped)
        {
            int half = updates[0].Length / 2;
            return [[.. updates[0][half..], .. updates[0][..half]]];
        }

        if (isDivided) return [[.. updates.SelectMany(update => update)]];
        List<double[]> parts = [];
        int first = 0;
        foreach (int rows in _rows)
        {
            parts.Add(updates[0][(first * _columns)..((first + rows) * _columns)]);
            first += rows;
        }

        return [.. parts];
    }

    /// <summary>s·B·A.</summary>
    public static double[] Product(LowRankDelta lora)
    {
        int rows = (int)lora.OutFeatures, columns = (int)lora.InFeatures, rank = (int)lora.Rank;
        return [.. Oracle.AddProduct(new double[rows * columns], lora.Up.ToDoubles(), lora.Down.ToDoubles(), rows, columns, rank).Values.Select(value => value * lora.Scale)];
    }

    private void KeepBlocks(double[] up, int rank, int[] ranks)
    {
        int row = 0, column = 0;
        for (int part = 0; part < ranks.Length; part++)
        {
            for (int end = row + _rows[part]; row < end; row++)
            {
                for (int j = 0; j < rank; j++)
                {
                    if (j < column || j >= column + ranks[part]) up[(row * rank) + j] = 0;
                }
            }

            column += ranks[part];
        }
    }

    private LowRankDelta Update(string module, double[] up, double[] down, int rows, int rank, double scale) => new(
        new ParameterName(new ModuleName(module), "weight"), Tensor("down", [rank, _columns], down), Tensor("up", [rows, rank], up), scale, scale * rank);

    private static MemoryTensor Tensor(string name, long[] sizes, double[] values) => new(name, new TensorShape(sizes), [.. values.Select(value => (float)value)]);

    /// <summary>None of them zero.</summary>
    private double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (_random.Next(2) == 0 ? -1 : 1) * (0.25 + _random.Next(256) / 256.0))];
}
