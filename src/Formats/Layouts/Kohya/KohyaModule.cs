using LoraKit.Formats.Adapters;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>One module as its tensors will stand in the file.</summary>
internal sealed class KohyaModule
{
    private readonly string _name;
    private readonly TensorValue _down;
    private readonly TensorValue? _mid;
    private readonly TensorValue _up;
    private readonly TensorValue _alpha;

    public KohyaModule(LowRankDelta update)
    {
        _name = update.Target.Module.Path;
        (_down, _mid) = update.Down is TuckerDown folded ? (folded.Down, folded.Mid) : (update.Down, null);
        // No alpha says 0 (sd-scripts takes it for the rank): an update of scale 0 is one of no values.
        bool isNothing = update.Scale == 0;
        _up = isNothing ? new ComputedTensor(update.Up.Name, update.Up.DType, update.Up.Shape, (_, bytes) => bytes.Clear()) : update.Up;
        Rank = RankOf(update);
        (_alpha, Alpha) = KohyaAlpha.Of(update, $"{_name}.{KohyaKey.Alpha}", Rank, isNothing ? 1 : update.Scale);
        IsAlphaImplied = update.AlphaTensor is null && Alpha == Rank;
        IsKernel = update.Down.Shape.Rank > 2 && update.Down.Shape.Sizes.Skip(2).Any(size => size > 1);
        bool isAsRead = _down is StoredTensor && _mid is null or StoredTensor && _up is StoredTensor
            && (update.AlphaTensor is { } stated ? ReferenceEquals(stated, _alpha) : update.Scale == 1);
        ReadFrom = isAsRead ? _up.File : null;
    }

    /// <summary>The rank that readers divide alpha by: the rows of the stored lora_down.</summary>
    public long Rank { get; }

    /// <summary>The stated alpha.</summary>
    public double Alpha { get; }

    /// <summary>Whether alpha says no more than that the scale is 1, and was not stated.</summary>
    public bool IsAlphaImplied { get; }

    /// <summary>Whether it updates a convolution of a kernel larger than one element.</summary>
    public bool IsKernel { get; }

    /// <summary>The file whose tensors are written as they are, scale included; null for an update that was computed.</summary>
    public string? ReadFrom { get; }

    public IEnumerable<TensorToWrite> Tensors()
    {
        yield return TensorToWrite.Of(_down, $"{_name}.{KohyaKey.Down}");
        if (_mid is not null) yield return TensorToWrite.Of(_mid, $"{_name}.{KohyaKey.Mid}");
        yield return TensorToWrite.Of(_up, $"{_name}.{KohyaKey.Up}");
        yield return TensorToWrite.Of(_alpha, $"{_name}.{KohyaKey.Alpha}");
    }

    public static long RankOf(LowRankDelta update) => update.Down is TuckerDown folded ? folded.Down.Shape[0] : update.Rank;
}
