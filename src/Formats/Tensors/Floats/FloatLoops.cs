using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LoraKit.Formats.Tensors.Floats;

/// <summary>Codecs over whole spans: the widest lanes that the processor has, then one element at a time. All widths give the same bytes.</summary>
internal static unsafe class FloatLoops
{
    public static void Decode<TCodec>(ReadOnlySpan<byte> source, Span<float> destination)
        where TCodec : IFloatCodec
    {
        fixed (byte* from = source)
        fixed (float* to = destination)
        {
            nint done = 0;
            if (Lanes512.IsSupported) done = Decode<TCodec, Lanes512, Vector512<float>, Vector512<uint>>(from, to, done, destination.Length);
            if (Lanes256.IsSupported) done = Decode<TCodec, Lanes256, Vector256<float>, Vector256<uint>>(from, to, done, destination.Length);
            Decode<TCodec, ScalarLanes, float, uint>(from, to, done, destination.Length);
        }
    }

    public static void Encode<TCodec>(ReadOnlySpan<float> source, Span<byte> destination)
        where TCodec : IFloatCodec
    {
        fixed (float* from = source)
        fixed (byte* to = destination)
        {
            nint done = 0;
            if (Lanes512.IsSupported) done = Encode<TCodec, Lanes512, Vector512<float>, Vector512<uint>>(from, to, done, source.Length);
            if (Lanes256.IsSupported) done = Encode<TCodec, Lanes256, Vector256<float>, Vector256<uint>>(from, to, done, source.Length);
            Encode<TCodec, ScalarLanes, float, uint>(from, to, done, source.Length);
        }
    }

    /// <summary>Singles to the first doubles of the destination, exactly.</summary>
    public static void Widen(ReadOnlySpan<float> source, Span<double> destination)
    {
        destination = destination[..source.Length];
        int i = 0;
        for (; i <= source.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            (Vector256<double> lower, Vector256<double> upper) = Vector256.Widen(Vector256.Create(source[i..]));
            lower.CopyTo(destination[i..]);
            upper.CopyTo(destination[(i + Vector256<double>.Count)..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = source[i];
        }
    }

    /// <summary>Doubles to as many singles, each to the nearest.</summary>
    public static void Narrow(ReadOnlySpan<double> source, Span<float> destination)
    {
        destination = destination[..source.Length];
        int i = 0;
        for (; i <= source.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            Vector256.Narrow(Vector256.Create(source[i..]), Vector256.Create(source[(i + Vector256<double>.Count)..])).CopyTo(destination[i..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = (float)source[i];
        }
    }

    /// <summary>Doubles to as many singles, rounded to odd.</summary>
    public static void NarrowToOdd(ReadOnlySpan<double> source, Span<float> destination)
    {
        destination = destination[..source.Length];
        int i = 0;
        for (; i <= source.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            RoundToOdd.Narrow(Vector256.Create(source[i..]), Vector256.Create(source[(i + Vector256<double>.Count)..])).CopyTo(destination[i..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = RoundToOdd.Narrow(source[i]);
        }
    }

    /// <summary>Decodes elements [done, count) as far as they fill whole registers; returns where it stopped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static nint Decode<TCodec, TLanes, TSingles, TBits>(byte* source, float* destination, nint done, nint count)
        where TCodec : IFloatCodec
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        for (; done <= count - TLanes.Count; done += TLanes.Count)
        {
            TLanes.Store(TCodec.Decode<TLanes, TSingles, TBits>(source + (done * TCodec.Size)), destination + done);
        }

        return done;
    }

    /// <summary>Encodes elements [done, count) as far as they fill whole registers; returns where it stopped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static nint Encode<TCodec, TLanes, TSingles, TBits>(float* source, byte* destination, nint done, nint count)
        where TCodec : IFloatCodec
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        for (; done <= count - TLanes.Count; done += TLanes.Count)
        {
            TCodec.Encode<TLanes, TSingles, TBits>(TLanes.Load(source + done), destination + (done * TCodec.Size));
        }

        return done;
    }
}
