using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Inspect;

namespace LoraKit.Ops.Verify;

/// <summary>Fills a <see cref="Verification"/>.</summary>
internal sealed class Verifier(string path, int threads, IProgress<OpProgress>? progress, CancellationToken cancellation)
{
    private readonly List<VerifyFinding> _findings = [];
    private readonly List<string> _warnings = [];
    private long _checked;

    public Verification Run()
    {
        try
        {
            if (PathKinds.Of(path) == PathKind.Adapter) CheckAdapter();
            else CheckCheckpoint();
        }
        catch (LoraKitException broken) when (broken is InvalidFileException or InvalidAdapterException)
        {
            Add(broken);
            CheckFilesOneByOne();
        }

        return new Verification(path, _findings, _warnings, _checked);
    }

    private void CheckAdapter()
    {
        Adapter adapter;
        try
        {
            adapter = AdapterLayouts.Open(path);
        }
        catch (UnsupportedException unread)
        {
            // What its tensors mean is not known; that their file is whole can be checked all the same.
            using SafetensorsFile file = SafetensorsFile.Open(AdapterLocation.Find(path).TensorFile);
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
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Scan([.. checkpoint.Shards.SelectMany(s => s.File.Tensors.Select(t => new StoredTensor(s.File, t)))]);
    }

    private void Scan(IReadOnlyList<TensorValue> tensors)
    {
        (IReadOnlyList<NonFiniteTensor> found, _checked) = NonFiniteScan.Run(tensors, threads, progress, cancellation);
        foreach (NonFiniteTensor one in found)
        {
            _findings.Add(new VerifyFinding(
                "non_finite",
                $"tensor '{one.Tensor.Name}' {one.Tensor.Shape} has NaN or infinity in {one.Count} of its values, the first at element {one.First}",
                one.Tensor.File, one.Tensor.Name));
        }
    }

    // What is broken first hides the rest: every tensor file of the folder is opened by itself, and each failure is a finding.
    private void CheckFilesOneByOne()
    {
        if (!Directory.Exists(path)) return;
        foreach (string file in Directory.EnumerateFiles(path, "*.safetensors").Order(StringComparer.Ordinal))
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
