namespace LoraKit.Formats.Tensors;

/// <summary>
/// A tensor whose values can be had when they are needed: stored in an open file, or computed and held in memory.
/// Nothing is read before one of the methods is called, and nothing is kept after.
/// </summary>
public abstract class TensorValue
{
    private protected TensorValue(string name, DType dtype, TensorShape shape)
    {
        Name = name;
        DType = dtype;
        Shape = shape;
    }

    /// <summary>The name it has in its file, or one that tells where it came from.</summary>
    public string Name { get; }

    /// <summary>The element type it is stored in.</summary>
    public DType DType { get; }

    /// <summary>The sizes, outermost first.</summary>
    public TensorShape Shape { get; }

    /// <summary>The file it lies in, for messages; null for a tensor in memory.</summary>
    public abstract string? File { get; }

    /// <summary>The stored tensors whose values it has: itself, or what it is turned or computed from.</summary>
    internal virtual IReadOnlyList<TensorValue> Parts => [this];

    /// <summary>Copies raw bytes (little-endian, row-major, in <see cref="DType"/>).</summary>
    /// <param name="start">First byte wanted, counted within the tensor.</param>
    /// <param name="destination">Where to.</param>
    public abstract void ReadBytes(long start, Span<byte> destination);

    /// <summary>All values as singles, row-major. F64 values are rounded.</summary>
    /// <exception cref="UnsupportedException">The element type has no real value, or there are more elements than an array holds.</exception>
    public float[] ToSingles() => TensorDecoder.ToSingles(this);

    /// <summary>All values as doubles, row-major; exact for every element type.</summary>
    /// <exception cref="UnsupportedException">The element type has no real value, or there are more elements than an array holds.</exception>
    public double[] ToDoubles() => TensorDecoder.ToDoubles(this);
}

/// <summary>A tensor in an open file.</summary>
public sealed class StoredTensor(ITensorSource source, TensorInfo info) : TensorValue(info.Name, info.DType, info.Shape)
{
    /// <summary>Where it lies.</summary>
    public ITensorSource Source { get; } = source;

    /// <summary>What the header says of it.</summary>
    public TensorInfo Info { get; } = info;

    /// <inheritdoc/>
    public override string? File => Source.Path;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination) => Source.Read(Info, start, destination);
}

/// <summary>A tensor in memory.</summary>
public sealed class MemoryTensor : TensorValue
{
    private readonly ReadOnlyMemory<byte> _bytes;

    /// <summary>Singles, row-major.</summary>
    public MemoryTensor(string name, TensorShape shape, float[] values)
        : base(name, DType.F32, shape)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.LongLength, shape.ElementCount);
        _bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values).ToArray();
    }

    /// <summary>Doubles, row-major.</summary>
    public MemoryTensor(string name, TensorShape shape, double[] values)
        : base(name, DType.F64, shape)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.LongLength, shape.ElementCount);
        _bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes<double>(values).ToArray();
    }

    /// <summary>Elements of any whole-byte type.</summary>
    /// <param name="name">A name that tells where it came from.</param>
    /// <param name="dtype">The element type.</param>
    /// <param name="shape">The sizes, outermost first.</param>
    /// <param name="bytes">Little-endian, row-major; kept, not copied.</param>
    /// <exception cref="ArgumentException">There are more or fewer bytes than the shape has.</exception>
    public MemoryTensor(string name, DType dtype, TensorShape shape, ReadOnlyMemory<byte> bytes)
        : base(name, dtype, shape)
    {
        if (dtype.Bytes() == 0 || bytes.Length != checked(shape.ElementCount * dtype.Bytes()))
            throw new ArgumentException($"{bytes.Length} bytes are no {dtype.FileName()} {shape}", nameof(bytes));
        _bytes = bytes;
    }

    /// <inheritdoc/>
    public override string? File => null;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination) =>
        _bytes.Span.Slice(checked((int)start), destination.Length).CopyTo(destination);
}

/// <summary>A tensor whose bytes are made when they are asked for: its shape is known before its values are.</summary>
/// <param name="name">A name that tells where it came from.</param>
/// <param name="dtype">The element type.</param>
/// <param name="shape">The sizes, outermost first.</param>
/// <param name="bytes">Fills a range of the tensor's bytes; may be called for any range, and from several threads.</param>
public sealed class ComputedTensor(string name, DType dtype, TensorShape shape, TensorBytes bytes) : TensorValue(name, dtype, shape)
{
    /// <inheritdoc/>
    public override string? File => null;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination) => bytes(start, destination);
}

/// <summary>Gives a tensor's bytes (little-endian, row-major) when they are needed.</summary>
/// <param name="start">First byte wanted, counted within the tensor.</param>
/// <param name="destination">To be filled to its end.</param>
public delegate void TensorBytes(long start, Span<byte> destination);
