using LoraKit.Formats;
using LoraKit.Formats.Files;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Ops.Undo;

/// <summary>
/// Codes in the order in which workers finish them, in a file without a name beside the record: how large each tensor's are is known only
/// when all are there. It goes with the process.
/// </summary>
internal sealed class UndoSpill : IDisposable
{
    private readonly string _record;
    private readonly SafeFileHandle _handle;
    private long _length;

    public UndoSpill(string record)
    {
        _record = record;
        string path = OutputPlace.Of(record).Spill;
        try
        {
            _handle = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Delete, FileOptions.DeleteOnClose);
            if (!OperatingSystem.IsWindows()) File.Delete(path);
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(record, "cannot be written", e);
        }
    }

    /// <summary>Keeps bytes; returns where.</summary>
    /// <exception cref="OutputException">The disk is full or failed.</exception>
    public long Append(ReadOnlySpan<byte> bytes)
    {
        long offset = Interlocked.Add(ref _length, bytes.Length) - bytes.Length;
        try
        {
            RandomAccess.Write(_handle, bytes, offset);
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(_record, "cannot be written", e);
        }

        return offset;
    }

    /// <summary>Reads back what was kept.</summary>
    public void Read(long offset, Span<byte> destination)
    {
        if (_handle.ReadFully(offset, destination) < destination.Length) throw new InvalidOperationException("the spill is shorter than it was written");
    }

    public void Dispose() => _handle.Dispose();
}
