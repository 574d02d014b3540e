using System.Globalization;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Verify;

/// <summary>
/// Whether a checkpoint is a base with adapters merged in: every tensor that the merge would write is there, what it would copy is the base's bit for bit, what it would
/// compute is the F64 result but for rounding. Matching and everything else is planned by what plans a merge.
/// </summary>
internal sealed class MergeCheck(VerifyOptions options, IProgress<OpProgress>? progress, CancellationToken cancellation)
{
    /// <summary>
    /// The part of a tensor's change that may be wrong. Rounding an update to 16 bits before it is added leaves 4 %; an adapter at nine tenths of its weight is 10 % off in
    /// F32 and 30 % where changes are smaller than an ulp.
    /// </summary>
    private const double MostWrong = 0.2;

    private readonly List<VerifyFinding> _findings = [];
    private readonly string _base = options.Base!;

    public MergeCheckResult Run()
    {
        using Checkpoint merged = Checkpoint.Open(options.Path);
        using Checkpoint stored = Checkpoint.Open(_base);
        List<Adapter> adapters = [];
        try
        {
            foreach (AdapterInput input in options.Adapters)
            {
                adapters.Add(input.Open(stored));
            }

            Checkpoint @base = ReplicatedBase.Of(stored, adapters);
            EditPlanner edits = new(@base);
            for (int i = 0; i < adapters.Count; i++)
            {
                edits.Add(adapters[i], options.Adapters[i]);
            }

            edits.Finish();
            edits.Require(_base, options.AllowUnmatched);
            OutputTensor[] planned = [.. OutputLayout.Create(@base, edits.Edits, edits.NamePrefix, null, null, null).SelectMany(s => s.Tensors)];
            return Compare(planned, merged);
        }
        finally
        {
            adapters.ForEach(a => a.Dispose());
        }
    }

    private MergeCheckResult Compare(IReadOnlyList<OutputTensor> planned, Checkpoint merged)
    {
        List<MergedTensor> tensors = [];
        foreach (OutputTensor tensor in planned)
        {
            if (Found(tensor.Target, merged) is { } actual) tensors.Add(new(tensor, actual, options.TileElements));
        }

        HashSet<string> names = [.. planned.Select(t => t.Target.Name)];
        foreach (StoredTensor more in merged.Tensors.Values.Where(t => !names.Contains(t.Name)))
        {
            Report("unexpected_tensor", more, $"tensor '{Printable.Text(more.Name)}' is neither in the base nor brought by an adapter");
        }

        using SimdCompute compute = new();
        var parts = tensors.SelectMany((t, i) => t.Chunks().Select(c => (Index: i, Tensor: t, Chunk: c))).ToArray();
        MergeErrors[] found = ModuleLoop.Run(
            parts, p => p.Tensor.Check(p.Chunk.FirstRow, p.Chunk.Rows, compute, cancellation), p => p.Chunk.Elements * p.Tensor.ElementBytes,
            p => p.Tensor.Actual.Name, options.Threads, progress, cancellation);
        MergeErrors all = new();
        MergeErrors[] errors = [.. tensors.Select(_ => new MergeErrors())];
        for (int i = 0; i < parts.Length; i++)
        {
            errors[parts[i].Index].Add(found[i]);
            all.Add(found[i]);
        }

        for (int i = 0; i < tensors.Count; i++)
        {
            Judge(tensors[i], errors[i]);
        }

        return new(_findings, all.MaxUlp == ulong.MaxValue ? null : all.MaxUlp, all.Wrong, all.Checked);
    }

    private StoredTensor? Found(TensorInfo expected, Checkpoint merged)
    {
        if (!merged.Tensors.TryGetValue(expected.Name, out StoredTensor? actual))
        {
            _findings.Add(new("missing_tensor", $"tensor '{Printable.Text(expected.Name)}' {expected.Shape} is missing", options.Path, expected.Name));
            return null;
        }

        if (actual.Shape != expected.Shape)
        {
            Report("shape", actual, $"tensor '{Printable.Text(actual.Name)}' is {actual.Shape}; the merge makes it {expected.Shape}");
            return null;
        }

        if (actual.Info.Blocks != expected.Blocks)
        {
            Report("dtype", actual, $"tensor '{Printable.Text(actual.Name)}' is stored as {actual.Info.TypeName}; the merge makes it {expected.TypeName}");
            return null;
        }

        if (actual.DType == expected.DType || (IsCast(actual.DType) && IsCast(expected.DType))) return actual;
        Report("dtype", actual, $"tensor '{Printable.Text(actual.Name)}' is stored as {actual.DType.FileName()}; the merge makes it {expected.DType.FileName()}");
        return null;
    }

    private void Judge(MergedTensor tensor, MergeErrors errors)
    {
        string name = $"tensor '{Printable.Text(tensor.Actual.Name)}' {tensor.Actual.Shape}";
        if (errors.Unexplained > 0)
        {
            string values = errors.First is { Found: { } is_, Expected: { } should } ? $" ({Text(is_)}, expected {Text(should)})" : "";
            string where = $"in {errors.Unexplained} of {errors.Checked} elements, the first at {errors.First.Element}{values}";
            bool untouched = tensor.Planned.Edit is null;
            Report(
                untouched ? "not_the_base" : "not_the_merge", tensor.Actual,
                untouched ? $"{name} is changed by no adapter, but differs from the base {where}" : $"{name} differs from base and adapters by more than rounding {where}");
        }
        else if (tensor.HasUpdates && errors.WrongPart > MostWrong)
        {
            Report("not_the_merge", tensor.Actual, string.Create(
                CultureInfo.InvariantCulture,
                $"{name}: {100 * errors.WrongPart:0.#} % of its change is not the adapters' (rounding leaves at most {100 * MostWrong:0} %); another adapter, another weight, or another base"));
        }
    }

    private void Report(string code, TensorValue tensor, string message) => _findings.Add(new(code, message, tensor.File, tensor.Name));

    // The types that a merge may cast between.
    private static bool IsCast(DType dtype) => dtype is DType.F16 or DType.BF16 or DType.F32 or DType.F64;

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}

/// <summary>What was found.</summary>
internal sealed record MergeCheckResult(IReadOnlyList<VerifyFinding> Findings, ulong? MaxUlp, long WrongElements, long CheckedElements);
