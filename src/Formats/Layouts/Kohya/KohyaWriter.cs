using LoraKit.Formats.Adapters;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>The canonical adapter as one file, its metadata true again, its hashes filled in when the data is written.</summary>
/// <param name="adapter">The adapter.</param>
/// <param name="spell">A module's tensors as they are named and left out in the layout.</param>
internal sealed class KohyaWriter(Adapter adapter, Func<KohyaModule, IEnumerable<TensorToWrite>> spell)
{
    public AdapterFiles Write()
    {
        KohyaModule[] modules = [.. adapter.Deltas.Cast<LowRankDelta>().Select(update => new KohyaModule(update))];
        Dictionary<string, string> metadata = KohyaMetadata.Of(adapter.Metadata, modules);
        bool isHashed = KohyaMetadata.AddHashes(metadata, SshsHashes.Unknown);
        SafetensorsWriter file = new(modules.SelectMany(spell), metadata.Count > 0 ? metadata : null);
        return new AdapterFiles(true,
        [
            new("adapter.safetensors", file.Header.FileLength, (output, path, cancellation) =>
            {
                using HashedMetadata? hashed = isHashed ? new(file.Header) : null;
                file.WriteTo(output, path, hashed, cancellation);
            }),
        ]);
    }

    /// <summary>The metadata with the hashes of the data that went by.</summary>
    private sealed class HashedMetadata(SafetensorsHeader header) : IMetadataOfData, IDisposable
    {
        private readonly SshsHashes _hashes = new(header);

        public void Append(ReadOnlySpan<byte> data) => _hashes.Append(data);

        public IReadOnlyDictionary<string, string> Finish()
        {
            Dictionary<string, string> metadata = new(header.Metadata, StringComparer.Ordinal);
            KohyaMetadata.AddHashes(metadata, _hashes.Finish());
            return metadata;
        }

        public void Dispose() => _hashes.Dispose();
    }
}
