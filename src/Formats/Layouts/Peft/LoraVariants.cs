using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// What a LoRA configuration makes of a module's two factors: a packed factor unpacked (BD-LoRA), a diagonal between them and a part of the
/// base taken out (KaSA, PiSSA, OLoRA), a magnitude around all of it (DoRA). See spec/layouts/peft.md, "Variants of LoRA".
/// </summary>
internal sealed class LoraVariants
{
    private readonly PeftConfig _config;
    private readonly AdapterReadOptions _options;
    private readonly KeyLedger _ledger;
    private readonly List<AdapterIssue> _issues;
    private readonly BlockDiagonalFactors? _blocks;
    private readonly BasePart? _part;
    private readonly bool _isDora;
    private readonly bool _isKasa;
    private readonly HashSet<ModuleName> _attentions;

    /// <exception cref="InvalidAdapterException">A setting has a value of the wrong type, or two variants are set of which PEFT has no combination.</exception>
    public LoraVariants(PeftConfig config, AdapterReadOptions options, IReadOnlyList<PeftFactors> modules, KeyLedger ledger, List<AdapterIssue> issues)
    {
        (_config, _options, _ledger, _issues) = (config, options, ledger, issues);
        JsonSettings settings = config.Settings;
        _isDora = settings.Flag("use_dora");
        // At its defaults the setting is an empty object.
        _isKasa = settings.Json["kasa_config"] is not null;
        _blocks = settings.IsSet("use_bdlora") ? new(settings) : null;
        _part = _isKasa ? BasePart.Smallest : config.Initialization switch
        {
            "pissa" => BasePart.Largest,
            "olora" => BasePart.FirstColumns,
            _ => null,
        };
        string[] set = [.. new[] { (_isDora, "use_dora"), (_isKasa, "kasa_config"), (_blocks is not null, "use_bdlora") }.Where(v => v.Item1).Select(v => v.Item2)];
        if (set.Length > 1) throw new InvalidAdapterException($"{Printable.Text(settings.Path)}: '{set[0]}' and '{set[1]}' are both set; expected one variant, as PEFT has no combination of them", settings.Path);
        if (_isKasa && config.Initialization is "pissa" or "olora") throw new InvalidAdapterException($"{Printable.Text(settings.Path)}: 'kasa_config' and 'init_lora_weights' both take a part out of the base; expected one of them", settings.Path);
        _attentions = [.. modules.Where(module => module.IsAttentionOutput).Select(module => module.Configured)];
        if (_attentions.Count > 0) RequirePlain(_attentions.First(), "is nn.MultiheadAttention");
    }

    /// <summary>Stops at a module of a kind that PEFT has plain LoRA for only, where the configuration says more.</summary>
    /// <param name="module">The module.</param>
    /// <param name="kind">What it is, as a clause.</param>
    /// <exception cref="UnsupportedException">A variant is set.</exception>
    public void RequirePlain(ModuleName module, string kind)
    {
        if ((_isDora ? "use_dora" : Structure ?? (_part is null ? null : "init_lora_weights")) is not { } setting) return;
        throw new UnsupportedException(
            $"{Printable.Text(_config.Settings.Path)}: module '{Printable.Text(module.Path)}' {kind}, which PEFT has plain LoRA for only, not '{setting}'", _config.Settings.Path);
    }

    /// <summary>The setting that gives a linear layer's factors another form; null where none does.</summary>
    private string? Structure => _isKasa ? "kasa_config" : _blocks is null ? null : "use_bdlora";

    /// <summary>What the factors update: nn.MultiheadAttention has its three inputs' projections in one parameter.</summary>
    public ParameterName TargetOf(PeftFactors module) => new(module.Module, _attentions.Contains(module.Module) ? "in_proj_weight" : "weight");

    /// <summary>How often PEFT adds the update.</summary>
    public int Times(PeftFactors module)
    {
        if (!module.IsAttentionOutput) return 1;
        bool isTwice = _options.AttentionOutput switch
        {
            AttentionOutput.Once => false,
            AttentionOutput.Twice => true,
            // Every release that wrote no version and knew these modules did it (0.15 to 0.17); none up to 0.21 has the fix.
            _ => _config.Version is not { } version || version < new Version(0, 22),
        };
        if (!_issues.Exists(issue => issue.Code == "attention_output"))
        {
            string said = _options.AttentionOutput != AttentionOutput.OfVersion ? "as was asked for"
                : _config.Version is { } by ? $"as PEFT {by} does, in training too" : "as PEFT does before it notes its version, in training too";
            _issues.Add(new("attention_output", IssueSeverity.Warning,
                $"the update of nn.MultiheadAttention's out_proj is added {(isTwice ? "twice" : "once")}, {said}; --mha-out says otherwise", module.Module.Path));
        }

        return isTwice ? 2 : 1;
    }

    /// <summary>The factors of a linear layer at their full sizes.</summary>
    /// <exception cref="InvalidAdapterException">A packed factor cannot be cut into its blocks.</exception>
    public (TensorValue Down, TensorValue Up) Unpack(PeftFactors module, TensorValue down, TensorValue up)
    {
        if (_blocks is not null) (down, up) = _blocks.Unpack(module.Module, down, up);
        if (module[PeftRole.Diagonal] is { } diagonal)
        {
            if (_isKasa) return (down, DiagonalUp(module.Module, up, _ledger.Claim(diagonal)));
            _ledger.Leave(diagonal, "but 'kasa_config' is not set in the configuration");
        }
        else if (_isKasa)
        {
            throw new InvalidAdapterException($"{Printable.Text(down.File ?? "")}: module '{Printable.Text(module.Module.Path)}' has no lora_diag; expected one beside lora_A and lora_B, for 'kasa_config' is set", down.File, down.Name);
        }

        return (down, up);
    }

    /// <summary>The whole update of a module around its factors' product.</summary>
    public AdapterDelta Around(PeftFactors module, LowRankDelta lora)
    {
        if (lora.IsEmbedding && Structure is { } structure)
        {
            throw new UnsupportedException(
                $"{Printable.Text(_config.Settings.Path)}: module '{Printable.Text(module.Module.Path)}' is an embedding, which PEFT has no '{structure}' for", _config.Settings.Path);
        }

        // PEFT initializes embeddings plainly whatever the setting says; it has no variant of this kind for convolutions, which the class refuses.
        // All but PiSSA take the weight as it is stored.
        AdapterDelta update = _part is { } part && !lora.IsEmbedding ? new ResidualDelta(lora, part) { Orientation = part == BasePart.Largest ? lora.Orientation : WeightOrientation.OutIn } : lora;
        TensorInfo? magnitude = module[PeftRole.Magnitude];
        if (!_isDora)
        {
            if (magnitude is not null) _ledger.Leave(magnitude, "but 'use_dora' is not set in the configuration");
            return update;
        }

        if (magnitude is null)
        {
            _issues.Add(new("missing_tensor", IssueSeverity.Warning,
                $"'use_dora' is set, but module '{Printable.Text(module.Module.Path)}' has no lora_magnitude_vector: the norms of the base count, with which training begins", module.Module.Path));
        }

        // An embedding's factors are turned: what is an output there is a column of [vocabulary, dimension].
        return new MagnitudeDelta(
            update, magnitude is null ? null : _ledger.Claim(magnitude), lora.IsEmbedding ? MagnitudeAxis.Input : MagnitudeAxis.Output, _options.DoraNorm);
    }

    /// <summary>B·diag(d), in F64.</summary>
    private static ColumnScaledTensor DiagonalUp(ModuleName module, TensorValue up, StoredTensor diagonal)
    {
        ParameterName target = new(module, "weight");
        AdapterDelta.RequireValues(target, up);
        AdapterDelta.RequireValues(target, diagonal);
        if (up.Shape.Rank != 2 || diagonal.Shape != new TensorShape(up.Shape[1]))
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(up.File ?? "")}: module '{Printable.Text(module.Path)}': lora_diag {diagonal.Shape} and lora_B {up.Shape} do not fit; expected [r] and [out, r]", up.File, diagonal.Name);
        }

        return new(up, diagonal);
    }
}
