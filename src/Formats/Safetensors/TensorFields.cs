using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>The fields of a tensor in a header.</summary>
internal enum Field : byte
{
    DType,
    Shape,
    DataOffsets,
    Other,
}

/// <summary>How fields are spelt.</summary>
internal static class Fields
{
    public static string InFile(this Field field) => field switch
    {
        Field.DType => "dtype",
        Field.Shape => "shape",
        Field.DataOffsets => "data_offsets",
        _ => throw new ArgumentOutOfRangeException(nameof(field)),
    };
}

/// <summary>The fields of the tensor that is being read; its storage is used again for the next.</summary>
internal struct TensorFields
{
    private ulong[]? _sizes;
    private int _rank;
    private int _claimed;

    public DType DType { get; set; }

    public ulong Begin { get; set; }

    public ulong End { get; set; }

    /// <summary>The sizes of the shape so far.</summary>
    public readonly Span<ulong> Sizes => _sizes.AsSpan(0, _rank);

    /// <summary>The first field that was not claimed.</summary>
    public readonly Field? Missing
    {
        get
        {
            for (Field candidate = Field.DType; candidate <= Field.DataOffsets; candidate++)
            {
                if ((_claimed & (1 << (int)candidate)) == 0) return candidate;
            }

            return null;
        }
    }

    /// <summary>Notes a field; false if it was noted before.</summary>
    public bool Claim(Field field)
    {
        int bit = 1 << (int)field;
        bool first = (_claimed & bit) == 0;
        _claimed |= bit;
        return first;
    }

    public void AddSize(ulong size)
    {
        _sizes ??= new ulong[16];
        if (_rank == _sizes.Length) Array.Resize(ref _sizes, 2 * _rank);
        _sizes[_rank++] = size;
    }

    public void Clear() => (_rank, _claimed) = (0, 0);
}
