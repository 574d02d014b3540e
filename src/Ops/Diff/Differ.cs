using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Inspect;

namespace LoraKit.Ops.Diff;

/// <summary>Fills a <see cref="DiffReport"/>: names are paired, and the pieces of all pairs are compared by whoever is free.</summary>
internal sealed class Differ(DiffOptions options, IProgress<OpProgress>? progress, CancellationToken cancellation)
{
    public DiffReport Run()
    {
        if (options.Threads < 0) throw new InvalidOptionException($"the number of threads is {options.Threads}; expected 0 (all) or more");
        PathKind a = PathKinds.Of(options.A), b = PathKinds.Of(options.B);
        if ((a == PathKind.Adapter) != (b == PathKind.Adapter))
        {
            throw new InvalidOptionException(
                $"{Printable.Text(options.A)} is {Word(a)}, but {Printable.Text(options.B)} is {Word(b)}; expected two adapters or two checkpoints "
                + "(whether a checkpoint is a base with an adapter: verify --base --adapter)");
        }

        return a == PathKind.Adapter ? OfAdapters() : OfCheckpoints(a, b);
    }

    private DiffReport OfAdapters()
    {
        using Adapter a = AdapterLayouts.Open(options.A, options.Reading);
        using Adapter b = AdapterLayouts.Open(options.B, options.Reading);
        using SimdCompute compute = new();
        List<ComparedPair> pairs =
        [
            .. Pair(a.Deltas, b.Deltas, d => d.Target.Label, (_, x, y) => new UpdatePair(x, y, compute, options.PieceElements)),
            .. Pair(a.Replacements, b.Replacements, Name, (name, x, y) => new StoredPair(name, x.Values, y.Values, SameRows(x, y))),
        ];
        return Compare(pairs, true, []);
    }

    private DiffReport OfCheckpoints(PathKind kindA, PathKind kindB)
    {
        using Checkpoint a = Checkpoint.Open(options.A);
        using Checkpoint b = Checkpoint.Open(options.B);
        if (a.Tensors.Values.Concat(b.Tensors.Values).FirstOrDefault(t => t.Info.Blocks is not null) is { } blocks)
            throw new UnsupportedException($"{Printable.Text(blocks.File!)}: tensor '{Printable.Text(blocks.Name)}' is stored as {blocks.Info.TypeName}, whose values are not compared; name files in F32, F16 or BF16", blocks.File, blocks.Name);
        string[] warnings = kindA == PathKind.UnreadAdapter || kindB == PathKind.UnreadAdapter
            ? ["these are adapters in a layout that is not read: their tensors are compared, not their updates"]
            : [];
        return Compare([.. Pair(a.Tensors.Values, b.Tensors.Values, t => t.Name, (name, x, y) => new StoredPair(name, x, y))], false, warnings);
    }

    /// <summary>Pairs by name, in A's order, then what only B has. Of several of one name the first goes with the first, and so on.</summary>
    private static IEnumerable<ComparedPair> Pair<T>(
        IEnumerable<T> a, IEnumerable<T> b, Func<T, string> name, Func<string, T, T, ComparedPair> pair)
        where T : notnull
    {
        Dictionary<string, Queue<T>> others = [];
        foreach (T item in b)
        {
            if (!others.TryGetValue(name(item), out Queue<T>? queue)) others.Add(name(item), queue = new());
            queue.Enqueue(item);
        }

        foreach (T item in a)
        {
            string its = name(item);
            yield return others.TryGetValue(its, out Queue<T>? queue) && queue.TryDequeue(out T? other) ? pair(its, item, other) : new OneSidedPair(its, inA: true);
        }

        foreach (string left in others.SelectMany(o => o.Value.Select(_ => o.Key)))
        {
            yield return new OneSidedPair(left, inA: false);
        }
    }

    private DiffReport Compare(IReadOnlyList<ComparedPair> pairs, bool ofAdapters, IReadOnlyList<string> warnings)
    {
        List<(int Pair, long First, long Count)> pieces = [];
        for (int i = 0; i < pairs.Count; i++)
        {
            long step = pairs[i].PieceElements(options.PieceElements);
            for (long first = 0; first < pairs[i].Elements; first += step)
            {
                pieces.Add((i, first, Math.Min(step, pairs[i].Elements - first)));
            }
        }

        DiffSums[] compared = ModuleLoop.Run(
            pieces, p => pairs[p.Pair].Compare(p.First, p.Count, cancellation), p => p.Count * pairs[p.Pair].ElementBytes, p => pairs[p.Pair].Name,
            options.Threads, progress, cancellation);
        DiffSums[] sums = [.. pairs.Select(_ => new DiffSums())];
        DiffSums all = new();
        for (int i = 0; i < pieces.Count; i++)
        {
            sums[pieces[i].Pair].Add(compared[i]);
            all.Add(compared[i]);
        }

        return new DiffReport
        {
            IsOfAdapters = ofAdapters,
            Tensors = [.. pairs.Select((pair, i) => pair.Result(sums[i]))],
            MaxAbs = all.MaxAbs,
            Relative = all.Relative,
            Warnings = warnings,
        };
    }

    private static string Name(Replacement replacement) =>
        replacement.Rows is null ? replacement.Target.Path : $"{replacement.Target.Path} (rows)";

    private static bool SameRows(Replacement a, Replacement b) => a.Rows is null ? b.Rows is null : b.Rows is not null && a.Rows.SequenceEqual(b.Rows);

    private static string Word(PathKind kind) => kind switch
    {
        PathKind.Adapter => "an adapter",
        PathKind.UnreadAdapter => "an adapter in a layout that is not read",
        _ => "a checkpoint",
    };
}
