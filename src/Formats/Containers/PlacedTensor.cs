using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Containers;

/// <summary>A tensor and where its bytes come from.</summary>
/// <param name="Info">Name, element type, shape.</param>
/// <param name="Bytes">What holds them.</param>
/// <param name="Start">Where in that they begin, row-major from there on.</param>
internal sealed record PlacedTensor(TensorInfo Info, IByteRange Bytes, long Start);

/// <summary>The gate for shapes, strides and offsets that come from files.</summary>
/// <param name="file">For messages.</param>
/// <param name="recent">Where tensors that are put in order are kept for a while.</param>
internal sealed class TensorPlacement(OpenFile file, RecentBytes recent)
{
    private const int MostDimensions = 64;

    // Strides of 0 repeat elements: a few bytes could claim any size.
    private const long MostRepeatedBytes = 64L << 20;

    /// <summary>A tensor of elements that lie at first + Σ index·stride.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="dtype">Of whole bytes.</param>
    /// <param name="sizes">The sizes, outermost first.</param>
    /// <param name="strides">In elements; as many as sizes.</param>
    /// <param name="first">The first element's index.</param>
    /// <param name="bytes">What the elements lie in.</param>
    /// <param name="start">Where element 0 lies in that, in bytes.</param>
    /// <exception cref="InvalidFileException">The elements do not all lie within.</exception>
    /// <exception cref="UnsupportedException">It repeats elements beyond the limit, or would have to be reordered and is too large for that.</exception>
    public PlacedTensor Place(
        string name, DType dtype, IReadOnlyList<long> sizes, IReadOnlyList<long> strides, long first, IByteRange bytes, long start)
    {
        if (sizes.Count > MostDimensions) throw file.Invalid($"has {sizes.Count} dimensions; at most {MostDimensions} are expected", name);
        if (sizes.Count != strides.Count) throw file.Invalid($"has {sizes.Count} sizes and {strides.Count} strides; expected as many", name);
        if (first < 0 || sizes.Concat(strides).Any(n => n < 0)) throw file.Invalid("has a negative size, stride or offset", name);
        TensorShape shape = new([.. sizes]);
        int size = dtype.Bytes();
        try
        {
            long length = checked(shape.ElementCount * size);
            if (length == 0) return new(new(name, dtype, shape, bytes.Offset, 0), bytes, 0);
            long begin = checked(start + first * size);
            bool ordered = IsRowMajor(sizes, strides);
            long end = checked((ordered ? length : LastByte(sizes, strides, size)) + begin);
            if (end > bytes.Length) throw file.Invalid($"{dtype.FileName()} {shape} ends {end - bytes.Length} bytes behind its storage of {bytes.Length} bytes", name);
            if (ordered) return new(new(name, dtype, shape, bytes.Offset + begin, length), bytes, begin);
            if (length > bytes.Length && length > MostRepeatedBytes)
                throw file.Unsupported($"{shape} repeats the {bytes.Length} bytes of its storage to {length}; save it after .contiguous() or .clone()", name);
            if (length > Array.MaxLength)
                throw file.Unsupported($"{shape} is not stored row by row, and with {length} bytes too large to be put in order; save it after .contiguous()", name);
            StridedRange strided = new(bytes, begin, size, shape, strides, recent);
            return new(new(name, dtype, shape, bytes.Offset + begin, length), strided, 0);
        }
        catch (OverflowException)
        {
            throw file.Invalid($"has sizes {shape} and strides that pass 64 bits", name);
        }
    }

    /// <summary>The strides of elements that lie row by row, or column by column.</summary>
    public static long[] Strides(IReadOnlyList<long> sizes, bool fortran)
    {
        long[] strides = new long[sizes.Count];
        long step = 1;
        for (int i = 0; i < strides.Length; i++)
        {
            int d = fortran ? i : strides.Length - 1 - i;
            strides[d] = step;
            step = unchecked(step * Math.Max(1, sizes[d])); // A product that passes 64 bits is found where the elements are counted.
        }

        return strides;
    }

    private static bool IsRowMajor(IReadOnlyList<long> sizes, IReadOnlyList<long> strides)
    {
        long step = 1;
        for (int d = sizes.Count - 1; d >= 0; d--)
        {
            if (sizes[d] == 1) continue;
            if (strides[d] != step) return false;
            step *= sizes[d];
        }

        return true;
    }

    private static long LastByte(IReadOnlyList<long> sizes, IReadOnlyList<long> strides, int size)
    {
        long last = 0;
        for (int d = 0; d < sizes.Count; d++)
        {
            last = checked(last + (sizes[d] - 1) * strides[d]);
        }

        return checked((last + 1) * size);
    }
}
