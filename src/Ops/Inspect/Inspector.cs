using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Inspect.Consumers;
using LoraKit.Ops.Verify;

namespace LoraKit.Ops.Inspect;

/// <summary>Fills an <see cref="AdapterInspection"/>.</summary>
internal sealed class Inspector(InspectOptions options, ICompute? compute, IProgress<OpProgress>? progress, CancellationToken cancellation)
{
    public AdapterInspection Inspect(string path)
    {
        IConsumer? consumer = options.Check is null ? null : ConsumerList.Named(options.Check);
        PathKind kind = PathKinds.Of(path);
        if (kind != PathKind.Adapter) return OfCheckpoint(path, kind);
        Adapter adapter;
        try
        {
            adapter = AdapterLayouts.Open(path, options.Reading);
        }
        catch (UnsupportedException unread) when (!options.Spectrum && consumer is null)
        {
            // Understood as an adapter and not more: what is in its file can be shown all the same.
            return OfFile(path, AdapterLocation.Find(path).TensorFile, unread);
        }

        using (adapter)
        {
            return OfAdapter(path, adapter) with { Findings = consumer is null ? null : [.. consumer.Check(adapter)] };
        }
    }

    private AdapterInspection OfAdapter(string path, Adapter adapter)
    {
        List<TensorValue> tensors =
        [
            // Several updates may share a tensor: the factors of IA³ for a weight and its bias, VeRA's projections.
            .. adapter.Deltas.SelectMany(d => d.Tensors).Concat(adapter.Replacements.Select(r => r.Values)).DistinctBy(t => t is StoredTensor ? (object)(t.File, t.Name) : t),
        ];
        (string? architecture, IReadOnlyList<AdapterIssue> unclear) = InspectedArchitecture.Of(adapter);
        List<AdapterIssue> issues = [.. adapter.Issues, .. unclear, .. ZeroFactor.Find(adapter.Deltas), .. SplitQkvAlpha.Find(adapter)];
        foreach (NonFiniteTensor found in NonFiniteScan.Run(tensors, options.Threads, null, cancellation).Found)
        {
            issues.Add(new AdapterIssue(
                "non_finite", IssueSeverity.Warning, $"NaN or infinity in {found.Count} of its values", found.Tensor.Name));
        }

        SortedDictionary<long, int> ranks = [];
        foreach (long rank in adapter.Deltas.Select(d => d.Facts.Rank).OfType<long>())
        {
            ranks[rank] = ranks.GetValueOrDefault(rank) + 1;
        }

        ModuleSpectrum?[]? spectra = options.Spectrum ? Spectra(adapter.Deltas) : null;
        using ITensorSource stored = TensorFiles.Open(AdapterLocation.Find(path).TensorFile);
        FileHashes? hashes = Hashes(stored);
        issues.AddRange(WrongHashes(stored, hashes));
        return new AdapterInspection
        {
            Path = path,
            Container = stored.Container,
            Layout = adapter.Layout,
            Family = Text(adapter.Metadata, "ss_base_model_version"),
            Architecture = architecture ?? BaseClass(adapter.Config) ?? Text(adapter.Metadata, "modelspec.architecture"),
            BaseModel = adapter.Config?.BaseModel ?? Text(adapter.Metadata, "ss_sd_model_name"),
            Bytes = new FileInfo(stored.Path).Length,
            DType = CommonType.Of(tensors),
            ParameterCount = tensors.Sum(t => t.Shape.ElementCount),
            Ranks = ranks,
            ModuleCount = adapter.Deltas.Select(d => d.Target.Module).Distinct().Count(),
            Modules = [.. adapter.Deltas.Select((d, i) => InspectedModule.Of(d) with { Spectrum = spectra?[i] })],
            Extras = [.. adapter.Replacements.Select(r => new InspectedTensor(r.Target.Path, r.Reason, r.Values.DType.FileName(), r.Values.Shape))],
            Metadata = adapter.Metadata,
            Hashes = options.Hashes ? hashes : null,
            Issues = issues,
        };
    }

    private AdapterInspection OfFile(string path, string file, UnsupportedException? unread)
    {
        using ITensorSource opened = TensorFiles.Open(file);
        List<StoredTensor> tensors = [.. opened.Tensors.Select(t => new StoredTensor(opened, t))];
        FileHashes? hashes = Hashes(opened);
        return OfTensors(path, opened.Container, tensors, new FileInfo(file).Length) with
        {
            Family = Text(opened.Metadata, "ss_base_model_version"),
            Architecture = Text(opened.Metadata, "modelspec.architecture"),
            BaseModel = Text(opened.Metadata, "ss_sd_model_name"),
            Metadata = opened.Metadata,
            Hashes = options.Hashes ? hashes : null,
            Issues =
            [
                .. unread is not null ? [new AdapterIssue("unread_layout", IssueSeverity.Warning, unread.Message, unread.Tensor)] : UnreadLayout(opened),
                .. WrongHashes(opened, hashes),
            ],
        };
    }

    private AdapterInspection OfCheckpoint(string path, PathKind kind)
    {
        if (options.Spectrum || options.Check is not null)
        {
            throw new InvalidOptionException($"{(options.Spectrum ? "--spectrum" : "--check")} takes an adapter in a layout that is read; {Printable.Text(path)} is none");
        }

        if (kind == PathKind.OtherContainer) return OfFile(path, path, unread: null);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        if (options.Hashes && checkpoint.Shards.Count != 1)
        {
            throw new InvalidOptionException($"--hash takes one file; {Printable.Text(path)} has {checkpoint.Shards.Count}: name one of them");
        }

        ICheckpointFile first = checkpoint.Shards[0].File;
        JsonObject? config = checkpoint.Config?.Json;
        FileHashes? hashes = checkpoint.Shards.Count == 1 ? Hashes(first) : null;
        return OfTensors(path, first.Container, [.. checkpoint.Tensors.Values], checkpoint.Shards.Sum(s => s.File.FileLength)) with
        {
            Family = checkpoint.Config?.ModelType ?? checkpoint.Gguf?.Facts.Architecture ?? Text(first.Metadata, "ss_base_model_version"),
            Architecture = FirstArchitecture(config) ?? Text(first.Metadata, "modelspec.architecture"),
            BaseModel = Text(first.Metadata, "ss_sd_model_name"),
            Metadata = first.Metadata,
            Hashes = options.Hashes ? hashes : null,
            Issues = [.. kind == PathKind.UnreadAdapter ? UnreadLayout(first) : [], .. WrongHashes(first, hashes)],
        };
    }

    private static IReadOnlyList<AdapterIssue> UnreadLayout(ITensorSource file) => ForeignKeys.Describe(file) is not { } whose ? [] :
    [
        new AdapterIssue("unread_layout", IssueSeverity.Warning,
            $"its keys look like {whose}, a layout that is not read yet; its tensors are listed as extras"),
    ];

    private static AdapterInspection OfTensors(string path, string container, IReadOnlyList<StoredTensor> tensors, long bytes) => new()
    {
        Path = path,
        Container = container,
        Bytes = bytes,
        DType = CommonType.Of(tensors),
        ParameterCount = tensors.Sum(t => t.Shape.ElementCount),
        Extras = [.. tensors.Select(t => new InspectedTensor(t.Name, "tensor", t.Info.TypeName, t.Shape))],
    };

    private ModuleSpectrum?[] Spectra(IReadOnlyList<AdapterDelta> deltas)
    {
        using SimdCompute? managed = compute is null ? new() : null;
        return ModuleSpectrum.Of(deltas, compute ?? managed!, options.Threads, progress, cancellation);
    }

    private FileHashes? Hashes(ITensorSource file) => options.Hashes || WrongHash.IsStated(file.Metadata) ? HashedFile.Of(file, cancellation) : null;

    private static IEnumerable<AdapterIssue> WrongHashes(ITensorSource file, FileHashes? hashes) => hashes is null ? [] : WrongHash.Find(file.Metadata, hashes);

    private static string? BaseClass(AdapterConfig? config) =>
        (config?.Json["auto_mapping"] as JsonObject)?["base_model_class"] is JsonValue value && value.TryGetValue(out string? name) ? name : null;

    private static string? FirstArchitecture(JsonObject? config) =>
        config?["architectures"] is JsonArray { Count: > 0 } names && names[0] is JsonValue value && value.TryGetValue(out string? name) ? name : null;

    // Trainers write the word None for what they do not know.
    private static string? Text(IReadOnlyDictionary<string, string> metadata, string key) =>
        metadata.TryGetValue(key, out string? value) && value is not ("" or "None") ? value : null;
}
