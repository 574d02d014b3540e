using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Kohya.Families;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>The canonical adapter as one file, its metadata true again, its hashes filled in when the data is written.</summary>
internal sealed class KohyaWriter(Adapter adapter, bool scalesTwice)
{
    public AdapterFiles Write()
    {
        KohyaModule[] modules = [.. KohyaFamilyList.Of(adapter.Deltas).GroupBy(update => update.Update.Target.Module).Select(Module), .. adapter.Replacements.Select(SetWeight.Write)];
        Dictionary<string, string> metadata = KohyaMetadata.Of(adapter.Metadata, modules);
        bool isHashed = KohyaMetadata.AddHashes(metadata, SshsHashes.Unknown);
        SafetensorsWriter file = new(modules.SelectMany(module => module.Tensors), metadata.Count > 0 ? metadata : null);
        return new AdapterFiles(true,
        [
            new("adapter.safetensors", file.Header.FileLength, (output, path, cancellation) =>
            {
                using HashedMetadata? hashed = isHashed ? new(file.Header) : null;
                file.WriteTo(output, path, hashed, cancellation);
            }),
        ]);
    }

    private KohyaModule Module(IGrouping<ModuleName, (AdapterDelta Update, IKohyaFamily? Family)> updates)
    {
        KohyaModule module = new(updates.Key, scalesTwice)
        {
            IsKernel = updates.Any(update => update.Update.Shape is { Rank: > 2 } shape && shape.Sizes.Skip(2).Any(size => size > 1)),
        };
        foreach ((AdapterDelta update, IKohyaFamily? family) in updates)
        {
            MagnitudeDelta? dora = update as MagnitudeDelta;
            family!.Write(dora?.Inner ?? update, module);
            if (dora is not null) module.AddMagnitudes(dora);
        }

        return module;
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
