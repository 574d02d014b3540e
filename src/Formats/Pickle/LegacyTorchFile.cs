using System.Buffers.Binary;
using System.Numerics;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Pickle;

/// <summary>
/// The files of torch.save before PyTorch 1.6, and of its old form since: five pickles (magic number, protocol, system, the object, the
/// storages' keys), then each storage's element count and bytes.
/// </summary>
internal static class LegacyTorchFile
{
    private const long Protocol = 1001;

    private static readonly BigInteger Magic = BigInteger.Parse("119547037146038801333356", System.Globalization.CultureInfo.InvariantCulture);

    /// <exception cref="LoraKitException">It is damaged, no file of tensors, or refused.</exception>
    public static TensorContainer Read(OpenFile file)
    {
        FileRange all = new(file, 0, file.Length);
        PickleInput input = new(file, all);
        Storages storages = new(new TorchVocabulary(file));
        if (Next() is not BigInteger magic || magic != Magic)
            throw file.Invalid("is a Python pickle, but none that torch.save wrote; expected a dictionary of tensors, saved by torch.save or as safetensors");
        if (Next() is not Protocol) throw file.Unsupported($"is a file of torch.save in another protocol than {Protocol}; save its tensors as safetensors");
        if (Next() is not PickleDict system) throw file.Invalid("does not say on what system it was saved: it is damaged");
        if (system["little_endian"] is false) throw file.Unsupported("was saved in big-endian byte order; save it again on a little-endian machine");
        object? saved = Next();
        if (Next() is not List<object?> keys) throw file.Invalid("does not list its storages: it is damaged");
        Dictionary<string, IByteRange> bytes = storages.Find(file, keys, input.Position);
        return TorchTensors.Read(file, saved, storage => bytes.GetValueOrDefault(storage.Key), new RecentBytes());

        object? Next() => new PickleReader(input, storages).Read();
    }

    /// <summary>Keeps what the pickle says of each storage: the bytes behind it do not tell their element type.</summary>
    private sealed class Storages(TorchVocabulary torch) : IPickleVocabulary
    {
        private readonly Dictionary<string, int> _elementBytes = new(StringComparer.Ordinal);

        public PickleGlobal? Find(string name) => torch.Find(name);

        public object? Persistent(object? id)
        {
            TorchStorage? storage = torch.Persistent(id) as TorchStorage;
            if (storage is not null) _elementBytes[storage.Key] = storage.DType.Bytes();
            return storage;
        }

        public Dictionary<string, IByteRange> Find(OpenFile file, List<object?> keys, long position)
        {
            Dictionary<string, IByteRange> found = new(StringComparer.Ordinal);
            byte[] count = new byte[sizeof(long)];
            foreach (object? listed in keys)
            {
                if (listed is not string key || !_elementBytes.TryGetValue(key, out int elementBytes))
                    throw file.Invalid("lists a storage that no tensor lies in: it is damaged");
                file.Read(position, count);
                position += count.Length;
                long elements = BinaryPrimitives.ReadInt64LittleEndian(count);
                if (elements < 0 || elements > (file.Length - position) / elementBytes)
                    throw file.Invalid($"announces {elements} elements for the storage '{Printable.Text(key)}' and ends before: it is cut short; fetch it again");
                if (!found.TryAdd(key, new FileRange(file, position, elements * elementBytes)))
                    throw file.Invalid($"lists the storage '{Printable.Text(key)}' twice");
                position += elements * elementBytes;
            }

            return found;
        }
    }
}
