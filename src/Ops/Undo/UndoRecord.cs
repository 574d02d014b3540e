using System.Buffers.Binary;
using System.Text.Json;
using LoraKit.Formats;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Undo;

/// <summary>An open undo record. What it says is checked where it is used; nothing is allocated that the file is not long enough for.</summary>
internal sealed class UndoRecord : IDisposable
{
    private readonly SafetensorsFile _file;

    private UndoRecord(SafetensorsFile file, UndoManifest manifest) => (_file, Manifest) = (file, manifest);

    public string Path => _file.Path;

    public UndoManifest Manifest { get; }

    /// <exception cref="LoraKitException">There is no such file, or it is no undo record that is whole.</exception>
    public static UndoRecord Open(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        try
        {
            if (file.Metadata.GetValueOrDefault("format") != UndoNames.Format)
            {
                throw new InvalidFileException($"{Printable.Text(path)}: is no undo record; expected a file that merge --undo wrote", path);
            }

            byte[] json = Read(file, UndoNames.Manifest);
            if (file.Metadata.GetValueOrDefault(UndoNames.ManifestHash) != BlockHashes.Text(json)) throw Damaged(path, "its manifest has another hash than it should");
            UndoManifest manifest = UndoManifest.Parse(json);
            return manifest.Version == UndoManifest.CurrentVersion ? new(file, manifest) : throw new UnsupportedException(
                $"{Printable.Text(path)}: is an undo record of version {manifest.Version}; version {UndoManifest.CurrentVersion} is read: use the LoraKit that wrote it", path);
        }
        catch (JsonException e)
        {
            file.Dispose();
            throw Damaged(path, $"its manifest is not what it should be ({Printable.Text(e.Path ?? "no JSON")})", cause: e);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The header of one of the base's tensor files, and what it says.</summary>
    public (byte[] Bytes, SafetensorsHeader Header) HeaderOf(UndoFile file)
    {
        byte[] bytes = HeaderBytesOf(file);
        return (bytes, SafetensorsHeader.Read(new MemoryStream(bytes), file.Bytes, Path));
    }

    /// <summary>The header of one of the base's tensor files, of whatever container.</summary>
    public byte[] HeaderBytesOf(UndoFile file) => Checked(UndoNames.Header(file.Path), file.Header);

    /// <summary>The bytes of one of the base's other files that the record holds.</summary>
    public byte[] BytesOf(UndoOtherFile file) => Checked(UndoNames.File(file.Path), file.Hash);

    /// <summary>The codes of a tensor.</summary>
    /// <param name="name">Its name in the base.</param>
    /// <param name="cut">Its blocks.</param>
    public TensorCodes CodesOf(string name, BlockCut cut)
    {
        const int lengthBytes = 4;
        StoredTensor stored = Stored(_file, UndoNames.Codes(name));
        long length = stored.Info.ByteLength, table = cut.OriginalBlocks * lengthBytes;
        if (cut.OriginalBlocks > length / lengthBytes || table > Array.MaxLength) throw Damaged(Path, "its codes are too few", name);
        byte[] lengths = new byte[table];
        stored.ReadBytes(0, lengths);
        long[] starts = new long[cut.OriginalBlocks + 1];
        starts[0] = table;
        long most = checked((long)cut.BlockRows * cut.OriginalRowBytes) + BlockEncoder.Overhead;
        for (int i = 0; i < cut.OriginalBlocks; i++)
        {
            uint code = BinaryPrimitives.ReadUInt32LittleEndian(lengths.AsSpan(i * lengthBytes));
            if (code > most) throw Damaged(Path, $"the code of block {i} is longer than the block", name);
            starts[i + 1] = starts[i] + code;
        }

        return starts[^1] == length ? new(stored, starts) : throw Damaged(Path, "its codes have another length than their table says", name);
    }

    /// <summary>A record that is not what was written.</summary>
    public static InvalidFileException Damaged(string path, string what, string? tensor = null, Exception? cause = null)
    {
        string where = tensor is null ? Printable.Text(path) : $"{Printable.Text(path)}: tensor '{Printable.Text(tensor)}'";
        return new($"{where}: the undo record is damaged: {what}; fetch it again, or restore from the base (--base)", path, tensor, cause);
    }

    public void Dispose() => _file.Dispose();

    private byte[] Checked(string name, string hash)
    {
        byte[] bytes = Read(_file, name);
        return BlockHashes.Text(bytes) == hash ? bytes : throw Damaged(Path, $"'{Printable.Text(name)}' has another hash than the manifest says");
    }

    private static byte[] Read(SafetensorsFile file, string name)
    {
        StoredTensor stored = Stored(file, name);
        if (stored.Info.ByteLength > ShardIndex.MaxBytes) throw Damaged(file.Path, $"'{Printable.Text(name)}' has {stored.Info.ByteLength} bytes, more than are allowed");
        byte[] bytes = new byte[stored.Info.ByteLength];
        stored.ReadBytes(0, bytes);
        return bytes;
    }

    private static StoredTensor Stored(SafetensorsFile file, string name) =>
        file.TryGetTensor(name, out TensorInfo? info) && info.DType == DType.U8
            ? new(file, info)
            : throw Damaged(file.Path, $"'{Printable.Text(name)}' is missing");
}

/// <summary>The codes of one tensor, in order.</summary>
/// <param name="stored">Where they are.</param>
/// <param name="starts">Where each block's begins, and where the last one's ends.</param>
internal sealed class TensorCodes(StoredTensor stored, long[] starts)
{
    /// <summary>Bytes of the codes of blocks [first, first + count).</summary>
    public int Length(long first, int count) => checked((int)(starts[first + count] - starts[first]));

    /// <summary>Bytes of the code of one block.</summary>
    public int Length(long block) => Length(block, 1);

    /// <summary>Reads the codes of as many blocks, from one on, as the destination is long.</summary>
    public void Read(long first, Span<byte> destination) => stored.ReadBytes(starts[first], destination);
}
