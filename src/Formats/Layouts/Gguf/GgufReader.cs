using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>llama.cpp's adapter to the canonical one. What llama.cpp would refuse is refused. See spec/layouts/gguf.md.</summary>
internal sealed class GgufReader
{
    private const int MostExperts = 4096;
    private const string HuggingFace = "https://huggingface.co/";

    private readonly AdapterSource _source;
    private readonly GgufFile _file;
    private readonly KeyLedger _ledger;
    private readonly GgufArchitecture _architecture;
    private readonly BaseFacts _facts;
    private readonly double _alpha;

    /// <exception cref="InvalidAdapterException">It is no adapter, or says two things of its base.</exception>
    /// <exception cref="UnsupportedException">It is another kind of adapter, of an architecture whose names are not known, or quantised.</exception>
    public GgufReader(AdapterSource source, GgufFile file)
    {
        (_source, _file, _ledger) = (source, file, new(file));
        Require(GgufKeys.Type, GgufKeys.Adapter, "name an adapter, and not a model");
        Require(GgufKeys.AdapterType, GgufKeys.Lora, "no other kind of adapter is read");
        string? name = file.Header.KeyValues.GetValueOrDefault(GgufKeys.Architecture)?.Text;
        _architecture = GgufArchitecture.Named(name)
            ?? throw new UnsupportedException($"{Shown}: is for the architecture '{Printable.Text(name ?? "")}', whose names are not known; known are {GgufArchitecture.Names}", Path);
        _facts = Facts();
        _alpha = file.Header.KeyValues.GetValueOrDefault(GgufKeys.Alpha) is { } alpha
            ? alpha.Real ?? throw new InvalidAdapterException($"{Shown}: '{GgufKeys.Alpha}' is {Printable.Text(alpha.Shown ?? "an array")}; expected a number (f32)", Path)
            : 0;
        if (file.Header.Tensors.FirstOrDefault(tensor => !file.TryGetTensor(tensor.Name, out _)) is { } quantised)
            throw new UnsupportedException($"{Shown}: tensor '{Printable.Text(quantised.Name)}' is of type {quantised.Type.Name}; expected F32, F16, BF16 or Q8_0", Path, quantised.Name);
    }

    private string Path => _file.Path;

    private string Shown => Printable.Text(_file.Path);

    /// <exception cref="InvalidAdapterException">A tensor has no place, or shapes contradict each other.</exception>
    /// <exception cref="UnsupportedException">The head counts are not known.</exception>
    public Adapter Read()
    {
        List<AdapterDelta> deltas = [.. FactorPair.Group(Path, _file.Tensors.Select(GgufKey.Parse)).SelectMany(Deltas)];
        TensorInfo[] ignored = [.. _file.Tensors.Where(tensor => GgufKey.IsIgnored(tensor.Name))];
        foreach (TensorInfo norm in ignored)
        {
            _ledger.Claim(norm);
        }

        _ledger.Close();
        return new Adapter(_source.Path, GgufLayout.LayoutName, _source)
        {
            Deltas = deltas,
            Config = Config(),
            Metadata = Metadata(),
            Base = _facts,
            Issues = [.. ignored.Select(norm => new AdapterIssue("stray_tensor", IssueSeverity.Warning, "is a norm, which llama.cpp passes over; so does this", norm.Name))],
        };
    }

    private IEnumerable<AdapterDelta> Deltas(FactorPair pair)
    {
        if (pair.Whole(_ledger) is not var (a, b)) return [];
        string place = pair.Module.Path;
        if (_architecture.ToHugging(place) is not { } nameOf)
        {
            _ledger.Leave(a, $"no name of a module of {_architecture.Name}");
            _ledger.Leave(b, $"no name of a module of {_architecture.Name}");
            return [];
        }

        bool isStack = GgufArchitecture.IsStack(place);
        int dimensions = isStack ? 3 : 2;
        if (a.Shape.Rank != dimensions || b.Shape.Rank != dimensions) throw Unfit(a, b, isStack ? "[experts, r, in] and [experts, out, r]" : "two dimensions each");
        (StoredTensor down, StoredTensor up) = (_ledger.Claim(a), _ledger.Claim(b));
        if (!isStack) return [Delta(place, nameOf(0), down, up, (a, b))];
        if (a.Shape[0] != b.Shape[0] || a.Shape[0] > MostExperts) throw Unfit(a, b, $"as many experts in both, and at most {MostExperts}");
        return [.. Enumerable.Range(0, (int)a.Shape[0]).Select(expert => Delta(place, nameOf(expert), new PartOfStack(down, expert), new PartOfStack(up, expert), (a, b)))];
    }

    private LowRankDelta Delta(string place, string module, TensorValue a, TensorValue b, (TensorInfo A, TensorInfo B) stored)
    {
        ParameterName target = new(new(module), "weight");
        AdapterDelta.RequireValues(target, a);
        AdapterDelta.RequireValues(target, b);
        long rank = b.Shape[1];
        // Of an embedding a row of A is a word's, and both factors lie the other way round.
        bool isEmbedding = place == GgufKey.Embedding;
        if (rank != a.Shape[isEmbedding ? 1 : 0]) throw Unfit(stored.A, stored.B, isEmbedding ? "[words, r] and [dimension, r]" : "[r, in] and [out, r]");
        // llama.cpp takes a missing alpha, and one of 0, for none.
        double scale = _alpha == 0 ? 1 : _alpha / rank, alpha = _alpha == 0 ? rank : _alpha;
        return isEmbedding
            ? new LowRankDelta(target, TransposedTensor.Of(b), a, scale, alpha, WeightOrientation.OutIn) { IsEmbedding = true }
            : new LowRankDelta(target, a, Separated(place, b, stored.B), scale, alpha, WeightOrientation.OutIn);
    }

    private TensorValue Separated(string place, TensorValue up, TensorInfo stored)
    {
        if (!GgufHeads.Concern(_architecture, place)) return up;
        long heads = GgufHeads.Of(_facts, place) ?? throw new UnsupportedException($"{Shown}: {GgufHeads.Missing}", Path, stored.Name);
        return HeadRows.Fits(up.Shape, heads)
            ? HeadRows.Separate(up, heads)
            : throw new InvalidAdapterException($"{Shown}: tensor '{Printable.Text(stored.Name)}' has {up.Shape[0]} rows, which are no {heads} heads of an even number; is it of another base?", Path, stored.Name);
    }

    /// <summary>The user's word and the file's, which must not differ.</summary>
    private BaseFacts Facts()
    {
        BaseFacts said = BaseFacts.Of(_file.Header.KeyValues);
        BaseFacts known = _source.Options.Base ?? new();
        if (Differ(said.Architecture, known.Architecture) || Differ(said.Heads, known.Heads) || Differ(said.KeyValueHeads, known.KeyValueHeads))
        {
            throw new InvalidAdapterException(
                $"{Shown}: is for {Describe(said)}, and the base is {Describe(known)}; name the base that it was trained on", Path);
        }

        return known with { Architecture = said.Architecture, Heads = said.Heads ?? known.Heads, KeyValueHeads = said.KeyValueHeads ?? known.KeyValueHeads };
    }

    private static bool Differ<T>(T? one, T? other) => one is not null && other is not null && !one.Equals(other);

    private static string Describe(BaseFacts facts) =>
        $"architecture {Printable.Text(facts.Architecture ?? "(not said)")}" + (facts.Heads is { } heads ? $" with {heads} heads, {facts.KeyValueHeads} of keys" : "");

    private AdapterConfig? Config()
    {
        JsonObject json = [];
        IReadOnlyDictionary<string, GgufValue> values = _file.Header.KeyValues;
        string? url = values.GetValueOrDefault(GgufKeys.BaseModelUrl)?.Text;
        string? model = url?.StartsWith(HuggingFace, StringComparison.Ordinal) == true ? url[HuggingFace.Length..] : values.GetValueOrDefault(GgufKeys.BaseModelName)?.Text;
        if (model is not null) json["base_model_name_or_path"] = model;
        if (values.GetValueOrDefault(GgufKeys.InvocationTokens) is { } tokens)
        {
            if (tokens.ElementType != GgufValueType.U32 || tokens.Count == 0)
                throw new InvalidAdapterException($"{Shown}: '{GgufKeys.InvocationTokens}' is no list of u32; llama.cpp reads no other", Path);
            json[GgufLayout.InvocationTokens] = new JsonArray([.. tokens.Integers()!.Select(token => (JsonNode)token)]);
        }

        if (json.Count > 0) json["peft_type"] = "LORA";
        return json.Count > 0 ? new AdapterConfig(json) : null;
    }

    // What is said elsewhere in the canonical adapter is left out: it may be another when it is written.
    private Dictionary<string, string> Metadata()
    {
        Dictionary<string, string> metadata = _file.Header.KeyValues
            .Where(pair => pair.Value.Type == GgufValueType.String && !pair.Key.StartsWith("general.base_model.", StringComparison.Ordinal)
                && pair.Key is not (GgufKeys.Type or GgufKeys.AdapterType))
            .ToDictionary(pair => pair.Key, pair => pair.Value.Text!, StringComparer.Ordinal);
        if (!_architecture.InterleavesHeads) return metadata;
        if (_facts.Heads is { } heads) metadata[GgufKeys.Heads(_architecture.Name)] = heads.ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (_facts.KeyValueHeads is { } keyValue) metadata[GgufKeys.KeyValueHeads(_architecture.Name)] = keyValue.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return metadata;
    }

    private void Require(string key, string expected, string advice)
    {
        string? found = _file.Header.KeyValues.GetValueOrDefault(key)?.Text;
        if (found == expected) return;
        throw new InvalidAdapterException($"{Shown}: '{key}' is {(found is null ? "not there" : $"'{Printable.Text(found)}'")}; expected '{expected}': {advice}", Path);
    }

    private InvalidAdapterException Unfit(TensorInfo a, TensorInfo b, string expected) => new(
        $"{Shown}: '{Printable.Text(a.Name)}' {a.Shape} and '{Printable.Text(b.Name)}' {b.Shape} do not fit together; expected {expected}", Path, a.Name);
}
