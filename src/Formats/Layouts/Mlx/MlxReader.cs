using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>Keys and configuration to the canonical adapter: factors turned, scaled by one number.</summary>
internal sealed class MlxReader(AdapterSource source, MlxConfig config)
{
    private readonly KeyLedger _ledger = new(source.Tensors);

    private string File => source.Tensors.Path;

    /// <exception cref="InvalidAdapterException">A tensor has no place, or shapes and configuration contradict each other.</exception>
    /// <exception cref="UnsupportedException">A tensor belongs to a kind that is not read.</exception>
    public Adapter Read() => config.IsFull ? Full() : Lora();

    private Adapter Lora()
    {
        (double scale, long? rank, AdapterIssue? issue) = config.Lora();
        List<AdapterDelta> deltas = [.. FactorPair.Group(File, source.Tensors.Tensors.Select(MlxKey.Parse)).Select(module => Delta(module, scale, rank)).OfType<AdapterDelta>()];
        _ledger.Close();
        return Adapter(deltas, [], issue is null ? [] : [issue]);
    }

    private Adapter Full()
    {
        List<Replacement> weights = [];
        foreach (TensorInfo tensor in source.Tensors.Tensors)
        {
            int dot = tensor.Name.LastIndexOf('.');
            ParameterName target = new(new(dot < 0 ? "" : tensor.Name[..dot]), tensor.Name[(dot + 1)..]);
            weights.Add(new Replacement(target, _ledger.Claim(tensor), null, "full"));
        }

        return Adapter([], weights, []);
    }

    private Adapter Adapter(IReadOnlyList<AdapterDelta> deltas, IReadOnlyList<Replacement> replacements, IReadOnlyList<AdapterIssue> issues) =>
        new(source.Path, MlxLayout.LayoutName, source)
        {
            Deltas = deltas,
            Replacements = replacements,
            Config = source.Config,
            Metadata = source.Tensors.Metadata,
            Issues = issues,
        };

    /// <summary>A linear layer adds x·a·b, so ΔW [out, in] = s·bᵀ·aᵀ; an embedding adds rows of a·b, so ΔW [words, dim] = s·a·b.</summary>
    private AdapterDelta? Delta(FactorPair module, double scale, long? rank)
    {
        if (module.Whole(_ledger) is not var (a, b)) return null;
        string where = $"{Printable.Text(File)}: module '{Printable.Text(module.Module.Path)}'";
        if (b.Shape.Rank == 3) return Experts(module, a, b, scale, rank, where);
        if (a.Shape.Rank != 2 || b.Shape.Rank != 2 || a.Shape[1] != b.Shape[0])
        {
            throw new InvalidAdapterException($"{where} has lora_a {a.Shape} and lora_b {b.Shape}, which do not chain; expected [in, r] and [r, out]", File, a.Name);
        }

        RequireRank(a.Shape[1], rank, where, a);
        ParameterName target = new(module.Module, "weight");
        (StoredTensor storedA, StoredTensor storedB) = (_ledger.Claim(a), _ledger.Claim(b));
        AdapterDelta.RequireValues(target, storedA);
        AdapterDelta.RequireValues(target, storedB);
        double alpha = scale * a.Shape[1];
        LowRankDelta update = MlxKey.IsEmbedding(module.Module)
            ? new(target, storedB, storedA, scale, alpha, WeightOrientation.OutIn) { IsEmbedding = true }
            : new(target, TransposedTensor.Of(storedA), TransposedTensor.Of(storedB), scale, alpha, WeightOrientation.OutIn);
        TensorInfo? magnitude = module[FactorRole.Magnitude];
        if (!config.IsDora)
        {
            if (magnitude is not null) _ledger.Leave(magnitude, $"but '{MlxConfig.Method}' is not dora in the configuration");
            return update;
        }

        // Of a linear layer's outputs and of an embedding's words: rows of the weight in both.
        return magnitude is null
            ? throw new InvalidAdapterException($"{where} has no m; expected one, for the configuration says DoRA", File, a.Name)
            : new MagnitudeDelta(update, _ledger.Claim(magnitude), MagnitudeAxis.Output);
    }

    /// <summary>The experts of a SwitchLinear, which mlx-lm trains without DoRA.</summary>
    private ExpertsDelta Experts(FactorPair module, TensorInfo a, TensorInfo b, double scale, long? rank, string where)
    {
        ExpertsDelta delta = MlxExperts.Read(MlxKey.StackOf(module.Module), _ledger.Claim(a), _ledger.Claim(b), scale) ?? throw new InvalidAdapterException(
            $"{where} has lora_a {a.Shape} and lora_b {b.Shape}, which are no factors of experts; expected [experts, r, in] (or [experts · r, in]) and [experts, out, r]", File, b.Name);
        RequireRank(delta.Rank, rank, where, b);
        if (module[FactorRole.Magnitude] is { } magnitude) _ledger.Leave(magnitude, "which experts do not have");
        return delta;
    }

    private void RequireRank(long rank, long? stated, string where, TensorInfo factor)
    {
        if (stated is not null && stated != rank)
        {
            throw new InvalidAdapterException($"{where} has {Printable.Text(factor.Name)} {factor.Shape}, so rank {rank}, but {MlxConfig.Parameters} says {stated}", File, factor.Name);
        }
    }
}
