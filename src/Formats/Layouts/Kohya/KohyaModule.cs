using LoraKit.Formats.Adapters;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>One module as its tensors will stand in the file, and what metadata says of it.</summary>
/// <param name="name">Its name, as the file has it.</param>
/// <param name="scalesTwice">Whether readers apply alpha / rank of LoHa and LoKr twice.</param>
internal sealed class KohyaModule(ModuleName name, bool scalesTwice)
{
    private readonly List<TensorToWrite> _tensors = [];
    private bool _isAsRead = true;
    private string? _file;

    public IReadOnlyList<TensorToWrite> Tensors => _tensors;

    public bool ScalesTwice => scalesTwice;

    /// <summary>The rank that readers divide alpha by; null for a kind that has none.</summary>
    public long? Rank { get; private set; }

    /// <summary>The stated alpha.</summary>
    public double Alpha { get; private set; }

    /// <summary>Whether it updates a convolution of a kernel larger than one element.</summary>
    public bool IsKernel { get; init; }

    /// <summary>The file whose tensors are written as they are, scale included; null for an update that was computed.</summary>
    public string? ReadFrom => _isAsRead ? _file : null;

    /// <summary>Adds a tensor, in another shape of as many elements where one is given.</summary>
    public void Add(string ending, TensorValue tensor, TensorShape? shape = null)
    {
        _tensors.Add(new($"{name}.{ending}", tensor.DType, shape ?? tensor.Shape, tensor.ReadBytes));
        _isAsRead &= tensor is StoredTensor || ending == KohyaKey.Alpha;
        _file ??= tensor.File;
    }

    /// <summary>Adds the alpha of an update. None says 0, which sd-scripts takes for the rank: an update of scale 0 is one of no values.</summary>
    public void AddAlpha(AdapterDelta update, long rank, double scale, bool isSquared = false)
    {
        (TensorValue tensor, double alpha) = KohyaAlpha.Of(update, rank, scale == 0 ? 1 : scale, isSquared);
        (Rank, Alpha) = (rank, alpha);
        _isAsRead &= update.AlphaTensor is { } stated ? ReferenceEquals(stated, tensor) : scale == 1;
        Add(KohyaKey.Alpha, tensor);
    }

    /// <summary>Adds the magnitudes of DoRA, in the shape that tells their axis.</summary>
    public void AddMagnitudes(MagnitudeDelta dora)
    {
        TensorValue magnitude = dora.Magnitude!;
        int rank = dora.Shape is { } shape ? shape.Rank : 2;
        IEnumerable<long> ones(int count) => Enumerable.Repeat(1L, count);
        Add(KohyaKey.Magnitude, magnitude, dora.Axis switch
        {
            MagnitudeAxis.Output => new TensorShape([magnitude.Shape.ElementCount, .. ones(rank - 1)]),
            MagnitudeAxis.Input => new TensorShape([1, magnitude.Shape.ElementCount, .. ones(rank - 2)]),
            _ => magnitude.Shape,
        });
    }

    /// <summary>A tensor as it is, or zeros in its place where the scale is 0.</summary>
    public static TensorValue OrZeros(TensorValue tensor, double scale) =>
        scale != 0 ? tensor : new ComputedTensor(tensor.Name, tensor.DType, tensor.Shape, (_, bytes) => bytes.Clear());
}
