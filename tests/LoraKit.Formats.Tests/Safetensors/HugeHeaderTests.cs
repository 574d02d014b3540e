using System.Buffers.Binary;
using System.Text;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Safetensors;

public sealed class HugeHeaderTests
{
    private const int Count = 1_640_000;

    // Everything that is ever allocated counts here, dropped or not: an upper bound of the peak that does not depend on the collector.
    [Fact]
    public void A_header_of_nearly_100_MB_takes_far_less_than_1_GB()
    {
        using EntryStream stream = new(Count);
        Assert.InRange(stream.HeaderLength, 95_000_000, SafetensorsHeader.MaxLength);
        long before = GC.GetAllocatedBytesForCurrentThread();
        SafetensorsHeader header = SafetensorsHeader.Read(stream, 8 + stream.HeaderLength);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before - stream.Allocated;
        Assert.Equal(Count, header.Tensors.Count);
        Assert.True(header.TryGetTensor("t0000000", out TensorInfo? first));
        Assert.Same(header.Tensors[0], first);
        Assert.True(header.TryGetTensor($"t{Count - 1:d7}", out TensorInfo? last));
        Assert.Equal(0, last.ByteLength);
        Assert.InRange(allocated, 0, 640_000_000);
    }

    /// <summary>The file, made while it is read.</summary>
    private sealed class EntryStream : Stream
    {
        private const string Rest = "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
        private readonly int _count;
        private byte[] _now = new byte[8];
        private int _used;
        private int _next;

        public EntryStream(int count)
        {
            _count = count;
            HeaderLength = 2 + (count * (10L + Rest.Length)) - 1;
            BinaryPrimitives.WriteInt64LittleEndian(_now, HeaderLength);
        }

        public long HeaderLength { get; }

        public long Allocated { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer)
        {
            if (_used == _now.Length && _next <= _count) Make();
            int length = Math.Min(buffer.Length, _now.Length - _used);
            _now.AsSpan(_used, length).CopyTo(buffer);
            _used += length;
            return length;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        private void Make()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            StringBuilder text = new();
            if (_next == 0) text.Append('{');
            int end = Math.Min(_next + 1000, _count);
            for (; _next < end; _next++)
            {
                if (_next > 0) text.Append(',');
                text.Append($"\"t{_next:d7}").Append(Rest);
            }

            if (_next == _count)
            {
                text.Append('}');
                _next++;
            }

            _now = Encoding.ASCII.GetBytes(text.ToString());
            _used = 0;
            Allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }
}
