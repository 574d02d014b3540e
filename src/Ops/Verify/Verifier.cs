using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Inspect;

namespace LoraKit.Ops.Verify;

/// <summary>Fills a <see cref="Verification"/>.</summary>
internal sealed class Verifier(VerifyOptions options, IProgress<OpProgress>? progress, CancellationToken cancellation)
{
    private readonly string _path = options.Path;
    private readonly List<VerifyFinding> _findings = [];
    private readonly List<string> _warnings = [];
    private long _checked;

    public Verification Run()
    {
        if ((options.Base is null) != (options.Adapters.Count == 0))
        {
            throw new InvalidOptionException("a base and the adapters that were merged into it belong together; expected both or neither");
        }

        if (options.Threads < 0) throw new InvalidOptionException($"the number of threads is {options.Threads}; expected 0 (all) or more");
        foreach (AdapterInput input in options.Adapters)
        {
            if (!double.IsFinite(input.Weight)) throw new InvalidOptionException($"the weight of {Printable.Text(input.Path)} is {input.Weight}; expected a finite number");
        }

        PathKind kind = PathKind.Checkpoint;
        bool broken = false;
        try
        {
            kind = PathKinds.Of(_path);
            if (kind is PathKind.Adapter or PathKind.OtherContainer) CheckAdapter();
            else CheckCheckpoint();
        }
        catch (LoraKitException problem) when (problem is InvalidFileException or InvalidAdapterException)
        {
            broken = true;
            Add(problem);
            CheckFilesOneByOne();
        }

        if (options.Manifest is { } manifest) _findings.AddRange(Manifest.Check(manifest, _path, progress, cancellation));
        Verification result = new() { Path = _path, Findings = _findings, Warnings = _warnings, CheckedElements = _checked };
        if (options.Base is null || broken) return result;
        if (kind == PathKind.Adapter) throw new InvalidOptionException($"{Printable.Text(_path)} is an adapter; expected a model that adapters were merged into");
        MergeCheckResult merge = new MergeCheck(options, progress, cancellation).Run();
        return result with
        {
            Findings = [.. _findings, .. merge.Findings],
            CheckedElements = merge.CheckedElements,
            MaxUlp = merge.MaxUlp,
            WrongElements = merge.WrongElements,
        };
    }

    private void CheckAdapter()
    {
        Adapter adapter;
        try
        {
            adapter = AdapterLayouts.Open(_path);
        }
        catch (UnsupportedException unread)
        {
            // What its tensors mean is not known; that their file is whole can be checked all the same.
            using ITensorSource file = TensorFiles.Open(AdapterLocation.Find(_path).TensorFile);
            _warnings.Add(unread.Message);
            Scan([.. file.Tensors.Select(t => new StoredTensor(file, t))]);
            return;
        }

        using (adapter)
        {
            Scan([.. adapter.Deltas.SelectMany(d => d.Tensors), .. adapter.Replacements.Select(r => r.Values)]);
        }
    }

    private void CheckCheckpoint()
    {
        using Checkpoint checkpoint = Checkpoint.Open(_path);
        Scan([.. checkpoint.Shards.SelectMany(s => s.Tensors)]);
    }

    private void Scan(IReadOnlyList<TensorValue> tensors)
    {
        (IReadOnlyList<NonFiniteTensor> found, _checked) = NonFiniteScan.Run(tensors, options.Threads, progress, cancellation);
        foreach (NonFiniteTensor one in found)
        {
            _findings.Add(new VerifyFinding(
                "non_finite",
                $"tensor '{Printable.Text(one.Tensor.Name)}' {one.Tensor.Shape} has NaN or infinity in {one.Count} of its values, the first at element {one.First}",
                one.Tensor.File, one.Tensor.Name));
        }
    }

    // What is broken first hides the rest: every tensor file of the folder is opened by itself, and each failure is a finding.
    private void CheckFilesOneByOne()
    {
        if (!Directory.Exists(_path)) return;
        foreach (string file in Directory.EnumerateFiles(_path, "*.safetensors").Order(StringComparer.Ordinal))
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                using SafetensorsFile opened = SafetensorsFile.Open(file);
            }
            catch (LoraKitException broken)
            {
                if (!_findings.Any(f => f.Message == broken.Message)) Add(broken);
            }
        }
    }

    private void Add(LoraKitException broken) => _findings.Add(new VerifyFinding(broken.Code, broken.Message, broken.File, broken.Tensor));
}
