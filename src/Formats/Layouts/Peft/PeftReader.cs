using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft.Methods;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>Keys and configuration to the canonical adapter: factors paired and scaled, the rest of the file claimed or listed.</summary>
internal sealed class PeftReader
{
    private readonly AdapterSource _source;
    private readonly PeftConfig _config;
    private readonly IReadOnlyList<PeftKey> _keys;
    private readonly KeyLedger _ledger;
    private readonly List<AdapterIssue> _issues = [];
    private LoraVariants _variants = null!;

    public PeftReader(AdapterSource source, PeftConfig config, IReadOnlyList<PeftKey> keys)
    {
        _source = source;
        _config = config;
        _keys = keys;
        _ledger = new KeyLedger(source.Tensors);
    }

    private string File => _source.Tensors.Path;

    /// <exception cref="InvalidAdapterException">A tensor has no place, or shapes and configuration contradict each other.</exception>
    /// <exception cref="UnsupportedException">A shape that belongs to a kind that is not read.</exception>
    public Adapter Read()
    {
        IReadOnlyList<PeftFactors> modules = _config.PeftType == "LORA" ? PeftFactors.Group(File, _keys) : [];
        _variants = new LoraVariants(_config, _source.Options, modules, _ledger, _issues);
        List<AdapterDelta> deltas = [.. modules.SelectMany(Deltas)];
        RefuseNested(modules, deltas);
        List<Replacement> replacements = Replacements(new SavedParameters(_config, modules, _keys.Where(key => key.Role == PeftRole.MethodTensor).Select(key => key.Module)));
        if (PeftMethodList.Of(_config.PeftType) is { } method)
        {
            (List<AdapterDelta> Deltas, List<Replacement> Replacements) read = PeftMethodReader.Read(method, _config, _source.Options, File, _keys, _ledger, _issues);
            deltas.AddRange(read.Deltas);
            replacements.AddRange(read.Replacements);
        }

        ClaimStrays([.. modules.Select(module => module.Module)]);
        _ledger.Close();
        if (deltas.Count == 0 && replacements.Count == 0)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(File)}: holds no update and no replacement; expected the tensors of a trained adapter", File);
        }

        _issues.AddRange(PeftIssues.Of(_config, _keys, modules));
        return new Adapter(_source.Path, "peft", _source)
        {
            Deltas = deltas,
            Replacements = replacements,
            LayerReplication = _config.LayerReplication,
            Config = _source.Config,
            Metadata = _source.Tensors.Metadata,
            Issues = _issues,
        };
    }

    /// <summary>Adapters inside each other add up where each update is its own; one that depends on the weight would see what the inner ones made of it.</summary>
    private void RefuseNested(IReadOnlyList<PeftFactors> modules, List<AdapterDelta> deltas)
    {
        HashSet<ModuleName> nested = [.. modules.Where(module => module.Depth > 0).Select(module => module.Module)];
        if (deltas.Find(delta => delta.NeedsBase && nested.Contains(delta.Target.Module)) is not { } unfit) return;
        throw new UnsupportedException(
            $"{Printable.Text(File)}: module '{Show(unfit.Target.Module)}' has adapters inside each other (base_layer), one of which depends on the weight: "
            + "what the inner ones leave is not the base; merge them one after the other", File, unfit.Tensors[0].Name);
    }

    private IEnumerable<AdapterDelta> Deltas(PeftFactors module)
    {
        if (_config.Parameters.Of(module.Module) is { Count: > 0 } parameters)
        {
            _variants.RequirePlain(module.Module, "has factors of parameters ('target_parameters')");
            if (module.Pair(PeftRole.LoraA, PeftRole.LoraB, _ledger) is var (down, up))
            {
                yield return ParameterFactors.Read(_config, _source.Options, File, module, parameters, _ledger.Claim(down), _ledger.Claim(up));
            }

            yield break;
        }

        if (module.Pair(PeftRole.LoraA, PeftRole.LoraB, _ledger) is var (a, b)) yield return a.Shape.Rank == 2 && b.Shape.Rank == 3 ? MergedLinear(module.Module, a, b) : Linear(module, a, b);
        if (module.Pair(PeftRole.EmbeddingA, PeftRole.EmbeddingB, _ledger) is var (embeddingA, embeddingB))
        {
            yield return _variants.Around(module, Embedding(module.Module, embeddingA, embeddingB));
        }

        bool isPair = (module[PeftRole.LoraA] ?? module[PeftRole.EmbeddingA]) is not null;
        foreach (PeftRole role in isPair ? [] : (PeftRole[])[PeftRole.Magnitude, PeftRole.Diagonal])
        {
            if (module[role] is { } lone) _ledger.Leave(lone, "without the factors it belongs to");
        }

        if (module[PeftRole.LoraBias] is { } bias)
        {
            if (_config.HasLoraBias && module[PeftRole.LoraB] is not null)
            {
                yield return new DenseDelta(new(module.Module, "bias"), _ledger.Claim(bias), _config.ScaleOf(module.Module).Scale);
            }
            else
            {
                _ledger.Leave(bias, _config.HasLoraBias ? "lora_B.bias without lora_B.weight" : "but 'lora_bias' is not set in the configuration");
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
                $"{Printable.Text(File)}: module '{Show(module)}' has A {a.Shape} and B {b.Shape}: LoRA on a grouped convolution, in which "
                + "every group sees all inputs, so that no weight [out, in/groups, …] can hold the update; PEFT does not merge it either", File, b.Name);
        }

        // Linear and Conv1D have the same factors; only the base's shape tells them apart. A kernel belongs to nn.ConvNd: [out, in, …].
        ParameterName target = _variants.TargetOf(factors);
        bool isLinear = a.Shape.Rank == 2 && target.Parameter == "weight" && !factors.IsAttentionOutput;
        (TensorValue down, TensorValue up) = _variants.Unpack(factors, _ledger.Claim(a), _ledger.Claim(b));
        return _variants.Around(factors, new LowRankDelta(
            target, down, up, scale.Scale * _variants.Times(factors), scale.Alpha, isLinear ? WeightOrientation.FromShape : WeightOrientation.OutIn, _config.IsConv1D));
    }

    /// <summary>LoRA on some of the parts of one weight, as PEFT had it before 0.3: <c>enable_lora</c> says on which.</summary>
    private MergedLinearDelta MergedLinear(ModuleName module, TensorInfo a, TensorInfo b)
    {
        IReadOnlyList<bool> enabled = _config.Settings.Flags("enable_lora") ?? throw new InvalidAdapterException(
            $"{Printable.Text(File)}: module '{Show(module)}' has A {a.Shape} and B {b.Shape}, the old MergedLinear's, but the configuration has no "
            + "'enable_lora' to say which parts they update", File, b.Name);
        ModuleScale scale = _config.ScaleOf(module);
        int count = enabled.Count(part => part);
        if (a.Shape[0] != scale.Rank * count)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(File)}: module '{Show(module)}' has A {a.Shape}; expected {scale.Rank} rows (from {scale.RankOrigin}) for each of {count} parts ('enable_lora')", File, a.Name);
        }

        return new(new(module, "weight"), _ledger.Claim(a), _ledger.Claim(b), enabled, scale.Scale, scale.Alpha)
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = _config.IsConv1D,
        };
    }

    /// <summary>ΔW [vocab, dim] = s·(B·A)ᵀ = s·Aᵀ·Bᵀ, so Aᵀ goes up and Bᵀ goes down.</summary>
    private LowRankDelta Embedding(ModuleName module, TensorInfo a, TensorInfo b)
    {
        ParameterName target = new(module, "weight");
        ModuleScale scale = ScaleFor(module, a);
        StoredTensor storedA = _ledger.Claim(a);
        StoredTensor storedB = _ledger.Claim(b);
        AdapterDelta.RequireValues(target, storedA);
        AdapterDelta.RequireValues(target, storedB);
        if (a.Shape.Rank != 2 || b.Shape.Rank != 2 || a.Shape[0] != b.Shape[1])
        {
            throw new InvalidAdapterException(
                $"module '{Show(module)}': lora_embedding_A {a.Shape} and lora_embedding_B {b.Shape} do not chain; expected [r, "
                + "vocab] and [dim, r]",
                File, a.Name);
        }

        return new LowRankDelta(
            target, new TransposedTensor(storedB), new TransposedTensor(storedA), scale.Scale, scale.Alpha, WeightOrientation.OutIn)
        {
            IsEmbedding = true,
        };
    }

    private ModuleScale ScaleFor(ModuleName module, TensorInfo a)
    {
        ModuleScale scale = _config.ScaleOf(module);
        if (a.Shape.Rank > 0 && a.Shape[0] != scale.Rank)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(File)}: module '{Show(module)}' has A {a.Shape}, so rank {a.Shape[0]}, but "
                + $"{Printable.Text(_config.Settings.Path)} says {scale.Rank} (from {scale.RankOrigin})",
                File, a.Name);
        }

        return scale;
    }

    private List<Replacement> Replacements(SavedParameters saved)
    {
        Dictionary<ParameterName, PeftKey> plain = [];
        List<Replacement> replacements = [];
        // PEFT's second copies come last, wherever they lie in the file.
        foreach (PeftKey key in _keys.OrderBy(key => key.Role == PeftRole.SavedModule))
        {
            ParameterName target = new(key.Module, key.Parameter);
            bool isToken = key.Role == PeftRole.TokenRows;
            if ((isToken ? "trainable_tokens" : saved.Reason(key)) is not { } reason)
            {
                if (key.Role is PeftRole.Parameter or PeftRole.BaseLayer) _ledger.Leave(key.Tensor, saved.WhyNot(key));
                continue;
            }

            // Rows and the whole of one embedding may both be there; otherwise one parameter has one spelling.
            ParameterName slot = isToken ? new(key.Module, "(rows)") : target;
            if (!plain.TryAdd(slot, key))
            {
                ClaimCopy(plain[slot], key);
                continue;
            }

            replacements.Add(new Replacement(target, _ledger.Claim(key.Tensor), isToken ? _config.TokenRows.Of(key.Module) : null, reason));
        }

        return replacements;
    }

    /// <summary>
    /// With <c>bias = all</c> and with resized embeddings PEFT writes a saved module's parameter twice, once with and once without the
    /// infix, and loads the one without.
    /// </summary>
    private void ClaimCopy(PeftKey first, PeftKey second)
    {
        bool isCopy = first.Role == PeftRole.Parameter && second.Role == PeftRole.SavedModule
            && first.Tensor.DType == second.Tensor.DType && first.Tensor.Shape == second.Tensor.Shape;
        if (!isCopy)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(File)}: '{Printable.Text(first.Tensor.Name)}' and '{Printable.Text(second.Tensor.Name)}' are the "
                + "same parameter; expected one of them",
                File, second.Tensor.Name);
        }

        _ledger.Claim(second.Tensor);
        _issues.Add(new("duplicate_tensor", IssueSeverity.Info,
            $"'{Printable.Text(second.Tensor.Name)}' is a second copy of '{Printable.Text(first.Tensor.Name)}' and is not "
            + "used", second.Tensor.Name));
    }

    private void ClaimStrays(HashSet<ModuleName> updated)
    {
        foreach (PeftKey key in _keys)
        {
            if (key.Role == PeftRole.Ignored) _ledger.Claim(key.Tensor);
            if (key is not { Role: PeftRole.Parameter, Parameter: "alpha" } || key.Tensor.Shape.ElementCount != 1) continue;
            if (key.Module.Path.Length > 0 && !updated.Contains(key.Module)) continue;
            _ledger.Claim(key.Tensor);
            _issues.Add(new("stray_tensor", IssueSeverity.Warning,
                $"'{Printable.Text(key.Tensor.Name)}' is no tensor of PEFT's and is not used; alpha is the "
                + "configuration's", key.Tensor.Name));
        }
    }

    private static string Show(ModuleName module) => Printable.Text(module.Path);
}
