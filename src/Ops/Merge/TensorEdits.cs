using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>The edits of a plan so far, and what of the base they may begin with.</summary>
/// <param name="base">The base.</param>
/// <param name="notes">Told what cannot be changed.</param>
/// <param name="requantises">Whether tensors of Q8_0 may be changed: they are read as singles.</param>
internal sealed class TensorEdits(Checkpoint @base, PlanNotes notes, bool requantises)
{
    private readonly Dictionary<string, TensorEdit> _edits = new(StringComparer.Ordinal);

    /// <summary>By the base's name of the tensor, or by the output's where the base has none.</summary>
    public IReadOnlyDictionary<string, TensorEdit> ByName => _edits;

    /// <summary>What happens to a tensor of the base; nothing, where this is the first to ask.</summary>
    public TensorEdit Of(string tensor)
    {
        if (_edits.TryGetValue(tensor, out TensorEdit? existing)) return existing;
        StoredTensor source = (requantises ? @base.Gguf?.Values(tensor) : null) ?? @base.Tensors[tensor];
        return Add(new(tensor, source, source.DType, source.Shape));
    }

    /// <summary>A tensor that only the output has.</summary>
    public TensorEdit Add(TensorEdit edit)
    {
        _edits.Add(edit.Name, edit);
        return edit;
    }

    public void Remove(TensorEdit edit) => _edits.Remove(edit.Name);

    /// <summary>A tensor's shape as it is by now.</summary>
    public TensorShape Shape(string tensor) => _edits.TryGetValue(tensor, out TensorEdit? edit) ? edit.Shape : @base.Tensors[tensor].Shape;

    /// <summary>Whether a tensor's elements alone are not the weight's values: the base keeps scales beside them, as FP8 checkpoints do, or has them in blocks.</summary>
    public bool IsScaled(string tensor) =>
        (@base.Tensors.TryGetValue(tensor, out StoredTensor? stored) && stored.Info.Blocks is not null && Of(tensor).Base == stored)
        || @base.Tensors.ContainsKey(tensor + "_scale_inv") || @base.Tensors.ContainsKey(tensor + "_scale") || @base.Tensors.ContainsKey(tensor + ".absmax");

    /// <summary>Whether updates can be added to a tensor; notes a miss where they cannot.</summary>
    public bool CanAdd(Adapter adapter, string tensor, DType type)
    {
        if (type.IsMergeable() && !IsScaled(tensor)) return true;
        MissQuantised(adapter, tensor, type);
        return false;
    }

    public void MissQuantised(Adapter adapter, string tensor, DType type)
    {
        string advice = @base.Gguf?.Values(tensor) is null ? "" : ", or let its tensors be rounded to blocks again (--requantise)";
        notes.Miss(
            $"{adapter.Path}: {tensor} is stored as {@base.Tensors.GetValueOrDefault(tensor)?.Info.TypeName ?? type.FileName()} (quantised), whose values cannot be changed exactly; merge into the unquantised base{advice}",
            tensor);
    }
}
