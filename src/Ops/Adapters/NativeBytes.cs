using System.Runtime.InteropServices;

namespace LoraKit.Ops.Adapters;

/// <summary>
/// Bytes of a result, outside the garbage collector's heap: on it, results that stay until all are written let the heap grow to two and a
/// half times their size before what was needed to compute them is collected. Given back when nothing refers to them any more.
/// </summary>
internal sealed unsafe class NativeBytes : SafeBuffer
{
    private readonly long _length;

    public NativeBytes(long length)
        : base(ownsHandle: true)
    {
        _length = length;
        SetHandle((nint)NativeMemory.Alloc((nuint)length));
        Initialize((ulong)length);
        if (length > 0) GC.AddMemoryPressure(length);
    }

    /// <summary>Copies a range out.</summary>
    public void Read(long start, Span<byte> destination) => ReadSpan((ulong)start, destination);

    /// <summary>Copies a range in.</summary>
    public void Write(long start, ReadOnlySpan<byte> source) => WriteSpan((ulong)start, source);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.Free((void*)handle);
        if (_length > 0) GC.RemoveMemoryPressure(_length);
        return true;
    }
}
