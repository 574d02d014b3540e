using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>The metadata of a file to be written: carried over, and what it says of rank, alpha and content made true.</summary>
internal static class KohyaMetadata
{
    /// <summary>What stands where nothing is known: the text of Python's None.</summary>
    public const string None = "None";
    public const string Rank = "ss_network_dim";
    public const string Alpha = "ss_network_alpha";
    public const string Arguments = "ss_network_args";
    private const string Dynamic = "Dynamic";
    private const string ConvRank = "conv_dim";
    private const string ConvAlpha = "conv_alpha";
    public const string ModelHash = "sshs_model_hash";
    public const string LegacyHash = "sshs_legacy_hash";
    public const string SpecHash = "modelspec.hash_sha256";

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// The metadata without new hashes. As long as all modules are as they were read from one file, so is what it says of them, unless it says that it does not know their alpha.
    /// </summary>
    public static Dictionary<string, string> Of(IReadOnlyDictionary<string, string> source, IReadOnlyList<KohyaModule> modules)
    {
        Dictionary<string, string> metadata = new(source, StringComparer.Ordinal);
        bool isUnknown = metadata.GetValueOrDefault(Alpha) == None;
        if (!isUnknown && modules.All(module => module.ReadFrom is not null && module.ReadFrom == modules[0].ReadFrom)) return metadata;
        // sd-scripts and LyCORIS: network_dim for linear layers and 1 × 1 kernels, conv_dim for larger ones.
        KohyaModule[] kernels = [.. modules.Where(module => module is { Rank: not null, IsKernel: true })];
        KohyaModule[] others = [.. modules.Where(module => module is { Rank: not null, IsKernel: false })];
        if (others.Length == 0) others = kernels;
        if (others.Length == 0) return metadata;
        (string rank, string alpha) = Shared(others);
        (string convRank, string convAlpha) = Shared(kernels);
        bool isNetwork = metadata.ContainsKey(Rank);
        Correct(metadata, Rank, rank);
        Correct(metadata, Alpha, rank == Dynamic ? Dynamic : alpha);
        bool differ = kernels.Length > 0 && (convRank != rank || convAlpha != alpha);
        CorrectArguments(metadata, kernels.Length > 0, differ && isNetwork, convRank, convAlpha);
        return metadata;
    }

    /// <summary>Sets the hashes of the data, where the file is one of sd-scripts' or states a hash.</summary>
    /// <returns>Whether there are any.</returns>
    public static bool AddHashes(Dictionary<string, string> metadata, (string Model, string Legacy) hashes)
    {
        bool isTrained = metadata.Keys.Any(key => key.StartsWith("ss_", StringComparison.Ordinal) || key is ModelHash or LegacyHash);
        bool isSpecified = metadata.ContainsKey(SpecHash);
        if (isTrained) (metadata[ModelHash], metadata[LegacyHash]) = hashes;
        if (isSpecified) metadata[SpecHash] = "0x" + hashes.Model;
        return isTrained || isSpecified;
    }

    private static (string Rank, string Alpha) Shared(IReadOnlyList<KohyaModule> modules)
    {
        long[] ranks = [.. modules.Select(module => module.Rank!.Value).Distinct().Take(2)];
        double[] alphas = [.. modules.Select(module => module.Alpha).Distinct().Take(2)];
        return (
            ranks is [var rank] ? rank.ToString(CultureInfo.InvariantCulture) : Dynamic,
            alphas is [var alpha] ? PythonNumber(alpha) : Dynamic);
    }

    private static void Correct(Dictionary<string, string> metadata, string key, string value)
    {
        if (metadata.TryGetValue(key, out string? stated) && !IsSame(stated, value)) metadata[key] = value;
    }

    private static void CorrectArguments(Dictionary<string, string> metadata, bool hasKernels, bool mustSay, string rank, string alpha)
    {
        bool isStated = metadata.TryGetValue(Arguments, out string? text);
        JsonObject? arguments = isStated ? Parse(text!) : null;
        if (arguments is null && isStated && text is not (None or "null")) return;
        if (arguments is null && !mustSay) return;
        arguments ??= [];
        string before = arguments.ToJsonString(Readable);
        // Ranks by block or by layer kind are those of training; sd-scripts reads none of them from a file.
        foreach (string key in arguments.Select(member => member.Key).Where(IsRankList).ToArray())
        {
            arguments.Remove(key);
        }

        if (hasKernels)
        {
            Set(arguments, ConvRank, rank, mustSay);
            Set(arguments, ConvAlpha, alpha, mustSay);
        }

        string after = arguments.ToJsonString(Readable);
        if (after != before || !isStated) metadata[Arguments] = after;
    }

    private static bool IsRankList(string key) => key is not ConvRank
        && (key.EndsWith("_dim", StringComparison.Ordinal) || key.EndsWith("_dims", StringComparison.Ordinal) || key.EndsWith("_alphas", StringComparison.Ordinal));

    private static void Set(JsonObject arguments, string key, string value, bool mustSay)
    {
        if (arguments[key] is null && !mustSay) return;
        bool isNumber = arguments[key]?.GetValueKind() == JsonValueKind.Number;
        string stated = arguments[key] is JsonValue old ? (isNumber ? old.ToJsonString() : old.TryGetValue(out string? text) ? text : "") : "";
        if (IsSame(stated, value)) return;
        arguments[key] = isNumber && value != Dynamic ? JsonNode.Parse(value) : value;
    }

    private static JsonObject? Parse(string text)
    {
        try
        {
            JsonObject? members = JsonNode.Parse(text, documentOptions: new() { AllowDuplicateProperties = false }) as JsonObject;
            _ = members?.ToJsonString(Readable); // A string that is no text, wherever it stands, shows only here.
            return members;
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            return null; // Not ours to mend.
        }
    }

    private static bool IsSame(string stated, string value) => stated == value
        || (double.TryParse(stated, NumberStyles.Float, CultureInfo.InvariantCulture, out double old)
            && double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double now) && old == now);

    /// <summary>As Python writes a float: <c>8.0</c>.</summary>
    private static string PythonNumber(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        return text.Contains('.') || text.Contains('E') ? text : text + ".0";
    }
}
