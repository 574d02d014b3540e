using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>LoRA's factors to updates: paired, scaled, turned where they are an embedding's, and put into what variants make of them.</summary>
/// <param name="config">The configuration.</param>
/// <param name="options">What the user said.</param>
/// <param name="file">The file, for messages.</param>
/// <param name="variants">What the configuration makes of a pair.</param>
/// <param name="ledger">The account of the file's tensors.</param>
internal sealed class LoraUpdates(PeftConfig config, AdapterReadOptions options, string file, LoraVariants variants, KeyLedger ledger)
{
    /// <summary>The updates of one module; what has no place is left to the ledger.</summary>
    /// <exception cref="InvalidAdapterException">Shapes and configuration contradict each other.</exception>
    /// <exception cref="UnsupportedException">A shape that belongs to a kind that is not read.</exception>
    public IEnumerable<AdapterDelta> Of(PeftFactors module)
    {
        if (config.Parameters.Of(module.Module) is { Count: > 0 } parameters)
        {
            variants.RequirePlain(module.Module, "has factors of parameters ('target_parameters')");
            if (module.Pair(PeftRole.LoraA, PeftRole.LoraB, ledger) is var (down, up))
            {
                yield return ParameterFactors.Read(config, options, file, module, parameters, ledger.Claim(down), ledger.Claim(up));
            }

            yield break;
        }

        if (module.Pair(PeftRole.LoraA, PeftRole.LoraB, ledger) is var (a, b)) yield return a.Shape.Rank == 2 && b.Shape.Rank == 3 ? MergedLinear(module.Module, a, b) : Linear(module, a, b);
        if (module.Pair(PeftRole.EmbeddingA, PeftRole.EmbeddingB, ledger) is var (embeddingA, embeddingB))
        {
            yield return variants.Around(module, Embedding(module.Module, embeddingA, embeddingB));
        }

        bool isPair = (module[PeftRole.LoraA] ?? module[PeftRole.EmbeddingA]) is not null;
        foreach (PeftRole role in isPair ? [] : (PeftRole[])[PeftRole.Magnitude, PeftRole.Diagonal])
        {
            if (module[role] is { } lone) ledger.Leave(lone, "without the factors it belongs to");
        }

        if (module[PeftRole.LoraBias] is { } bias)
        {
            if (config.HasLoraBias && module[PeftRole.LoraB] is not null)
            {
                yield return new DenseDelta(new(module.Module, "bias"), ledger.Claim(bias), config.ScaleOf(module.Module).Scale);
            }
            else
            {
                ledger.Leave(bias, config.HasLoraBias ? "lora_B.bias without lora_B.weight" : "but 'lora_bias' is not set in the configuration");
            }
        }
    }

    private AdapterDelta Linear(PeftFactors factors, TensorInfo a, TensorInfo b)
    {
        ModuleName module = factors.Module;
        ModuleScale scale = ScaleFor(factors.Configured, a);
        if (a.Shape.Rank > 2 && b.Shape.Rank == a.Shape.Rank && b.Shape[1] > 0 && b.Shape[1] < scale.Rank && scale.Rank % b.Shape[1] == 0)
        {
            throw new UnsupportedException(
                $"{Printable.Text(file)}: module '{Show(module)}' has A {a.Shape} and B {b.Shape}: LoRA on a grouped convolution, in which "
                + "every group sees all inputs, so that no weight [out, in/groups, …] can hold the update; PEFT does not merge it either", file, b.Name);
        }

        // Linear and Conv1D have the same factors; only the base's shape tells them apart. A kernel belongs to nn.ConvNd: [out, in, …].
        ParameterName target = variants.TargetOf(factors);
        bool isLinear = a.Shape.Rank == 2 && target.Parameter == "weight" && !factors.IsAttentionOutput;
        (TensorValue down, TensorValue up) = variants.Unpack(factors, ledger.Claim(a), ledger.Claim(b));
        return variants.Around(factors, new LowRankDelta(
            target, down, up, scale.Scale * variants.Times(factors), scale.Alpha, isLinear ? WeightOrientation.FromShape : WeightOrientation.OutIn, config.IsConv1D));
    }

    /// <summary>LoRA on some of the parts of one weight, as PEFT had it before 0.3: <c>enable_lora</c> says on which.</summary>
    private MergedLinearDelta MergedLinear(ModuleName module, TensorInfo a, TensorInfo b)
    {
        IReadOnlyList<bool> enabled = config.Settings.Flags("enable_lora") ?? throw new InvalidAdapterException(
            $"{Printable.Text(file)}: module '{Show(module)}' has A {a.Shape} and B {b.Shape}, the old MergedLinear's, but the configuration has no "
            + "'enable_lora' to say which parts they update", file, b.Name);
        ModuleScale scale = config.ScaleOf(module);
        int count = enabled.Count(part => part);
        if (a.Shape[0] != scale.Rank * count)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(file)}: module '{Show(module)}' has A {a.Shape}; expected {scale.Rank} rows (from {scale.RankOrigin}) for each of {count} parts ('enable_lora')", file, a.Name);
        }

        return new(new(module, "weight"), ledger.Claim(a), ledger.Claim(b), enabled, scale.Scale, scale.Alpha)
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = config.IsConv1D,
        };
    }

    /// <summary>ΔW [vocab, dim] = s·(B·A)ᵀ = s·Aᵀ·Bᵀ, so Aᵀ goes up and Bᵀ goes down.</summary>
    private LowRankDelta Embedding(ModuleName module, TensorInfo a, TensorInfo b)
    {
        ParameterName target = new(module, "weight");
        ModuleScale scale = ScaleFor(module, a);
        StoredTensor storedA = ledger.Claim(a);
        StoredTensor storedB = ledger.Claim(b);
        AdapterDelta.RequireValues(target, storedA);
        AdapterDelta.RequireValues(target, storedB);
        if (a.Shape.Rank != 2 || b.Shape.Rank != 2 || a.Shape[0] != b.Shape[1])
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(file)}: module '{Show(module)}': lora_embedding_A {a.Shape} and lora_embedding_B {b.Shape} do not chain; expected [r, vocab] and [dim, r]",
                file, a.Name);
        }

        return new LowRankDelta(
            target, new TransposedTensor(storedB), new TransposedTensor(storedA), scale.Scale, scale.Alpha, WeightOrientation.OutIn)
        {
            IsEmbedding = true,
        };
    }

    private ModuleScale ScaleFor(ModuleName module, TensorInfo a)
    {
        ModuleScale scale = config.ScaleOf(module);
        if (a.Shape.Rank > 0 && a.Shape[0] != scale.Rank)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(file)}: module '{Show(module)}' has A {a.Shape}, so rank {a.Shape[0]}, but "
                + $"{Printable.Text(config.Settings.Path)} says {scale.Rank} (from {scale.RankOrigin})",
                file, a.Name);
        }

        return scale;
    }

    private static string Show(ModuleName module) => Printable.Text(module.Path);
}
