using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>
/// LoRA and LoCon: <c>lora_down</c> [r, in…], <c>lora_up</c> [out, r…], and <c>lora_mid</c>, the core of a Tucker decomposition. Beside it a residual of the
/// whole weight, sparse (<c>bias_indices</c>, LyCORIS) or in full (<c>bias</c>, A1111), of the same scale.
/// </summary>
internal sealed class Locon : IKohyaFamily
{
    public string Name => "LoRA";

    public IReadOnlyList<string> Endings => [KohyaKey.Down, KohyaKey.Up, KohyaKey.Mid, "bias", "bias_indices", "bias_values", "bias_size", "reshape_weight"];

    public IReadOnlyList<string> Marks => [KohyaKey.Down, KohyaKey.Up, KohyaKey.Mid];

    public bool CanBeDecomposed => true;

    public IEnumerable<AdapterDelta> Read(KohyaTensors module)
    {
        if (!module.Has(KohyaKey.Down) || !module.Has(KohyaKey.Up))
        {
            string missing = module.Has(KohyaKey.Up) ? "lora_down" : module.Has(KohyaKey.Down) ? "lora_up" : "either";
            foreach (string half in (ReadOnlySpan<string>)[KohyaKey.Down, KohyaKey.Up, KohyaKey.Mid, KohyaKey.Alpha])
            {
                module.Leave(half, $"of kohya's lora_down and lora_up its module has not {missing}");
            }

            yield break;
        }

        StoredTensor down = module.Require(KohyaKey.Down);
        StoredTensor? core = module.Find(KohyaKey.Mid);
        if (core is not null && down.Shape.Rank != core.Shape.Rank) throw module.Wrong($"lora_mid {core.Shape} and lora_down {down.Shape} do not chain; expected mid [r, i, kernel…] and down [i, in, 1…]");
        TensorValue folded = core is null ? down : TuckerDown.Of(module.Weight, down, core);
        KohyaScale scale = KohyaScale.Of(module, down.Shape.Rank > 0 ? down.Shape[0] : 1);
        LowRankDelta update = new(module.Weight, folded, module.Require(KohyaKey.Up), scale.Value, scale.Alpha, WeightOrientation.OutIn) { AlphaTensor = scale.Tensor };
        RequireShape(module, update);
        yield return update;
        if (module.Has("bias")) yield return new DenseDelta(module.Weight, module.Require("bias"), scale.Value);
        if (module.Has("bias_values") || module.Has("bias_indices")) yield return Residual(module, scale.Value);
    }

    public bool Holds(AdapterDelta update) => update is LowRankDelta { Target.Parameter: "weight" };

    /// <summary>Whether it goes beside the factors: what LyCORIS and A1111 leave of the weight, with their scale.</summary>
    public static bool IsResidual(AdapterDelta update, LowRankDelta lora) =>
        update.Target == lora.Target && update is SparseResidualDelta or DenseDelta && update.Facts.Scale == lora.Scale;

    public string? Limit(AdapterDelta update, bool scalesTwice) => update is LowRankDelta lora ? KohyaAlpha.Limit(lora.Scale, Rank(lora)) : null;

    public void Write(AdapterDelta update, KohyaModule module)
    {
        switch (update)
        {
            case LowRankDelta lora:
                module.Add(KohyaKey.Down, TuckerDown.Stored(lora.Down));
                if (lora.Down is TuckerDown core) module.Add(KohyaKey.Mid, core.Mid);
                module.Add(KohyaKey.Up, KohyaModule.OrZeros(lora.Up, lora.Scale));
                module.AddAlpha(lora, Rank(lora), lora.Scale);
                break;
            case DenseDelta residual:
                module.Add("bias", KohyaModule.OrZeros(residual.Values, residual.Scale));
                break;
            case SparseResidualDelta residual:
                module.Add("bias_indices", residual.Indices);
                module.Add("bias_values", KohyaModule.OrZeros(residual.Values, residual.Scale));
                module.Add("bias_size", SizeTensor(residual));
                break;
        }
    }

    private static long Rank(LowRankDelta lora) => TuckerDown.Stored(lora.Down).Shape[0];

    /// <summary>The sizes in the type of the indices, which are below them; wider where that is too small.</summary>
    private static MemoryTensor SizeTensor(SparseResidualDelta residual)
    {
        long[] sizes = [.. residual.Shape!.Value.Sizes];
        bool isShort = residual.Indices.DType == DType.I16 && sizes.Max() <= short.MaxValue;
        byte[] bytes = isShort ? [.. sizes.SelectMany(size => BitConverter.GetBytes((short)size))] : [.. sizes.SelectMany(BitConverter.GetBytes)];
        return new("bias_size", isShort ? DType.I16 : DType.I64, new TensorShape(sizes.Length), bytes);
    }

    private static SparseResidualDelta Residual(KohyaTensors module, double scale)
    {
        (StoredTensor indices, StoredTensor values) = (Find(module, "bias_indices"), module.Require("bias_values"));
        long[] sizes = Sizes(module, "bias_size") ?? throw module.Wrong("has bias_values, but no bias_size; expected all of its parts");
        return new SparseResidualDelta(module.Weight, indices, values, new TensorShape(sizes), scale);
    }

    private static StoredTensor Find(KohyaTensors module, string ending) =>
        module.Find(ending) ?? throw module.Wrong($"has bias_values, but no {ending}; expected all of its parts");

    /// <summary>ComfyUI pads the base's weight with zeros to the shape that its LoRA has.</summary>
    private static void RequireShape(KohyaTensors module, LowRankDelta update)
    {
        if (Sizes(module, "reshape_weight") is not { } sizes) return;
        TensorShape stated = new(sizes);
        if (stated != update.Shape) throw module.Unread($"has reshape_weight {stated} beside an update {update.Shape}, which is not read; expected the same shape");
        module.Context.Issues.Add(new("reshape_weight", IssueSeverity.Warning,
            $"ComfyUI pads the base's weight to {stated} with zeros; here the base must have that shape (widen it first)", module.Name.Path));
    }

    private static long[]? Sizes(KohyaTensors module, string ending)
    {
        if (module.Find(ending) is not { } tensor) return null;
        double[]? sizes = tensor.Shape.Rank == 1 && tensor.Shape[0] is > 0 and <= 8 ? RealNumber.DecodeAll(tensor) : null;
        if (sizes is null || sizes.Any(size => !(size is > 0 and < (1L << 53)) || !double.IsInteger(size)))
        {
            throw module.Wrong($"has {ending} {tensor.DType.FileName()} {tensor.Shape}, which is no shape; expected a few whole numbers above 0");
        }

        return [.. sizes.Select(size => (long)size)];
    }
}
