using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// AdaLoRA: <c>lora_A</c> [r, in], <c>lora_B</c> [out, r], <c>lora_E</c> [r, 1], without <c>.weight</c>. Training begins with rank <c>init_r</c>
/// and keeps the rows that <c>rank_pattern</c> flags, maybe none; the scale stays that of <c>init_r</c>. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class AdaLora : IPeftMethod
{
    private const string Pattern = "rank_pattern";

    public string PeftType => "ADALORA";

    public string Name => "AdaLoRA";

    public IReadOnlyList<string> ModuleTensors => ["lora_A", "lora_B", "lora_E"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor down = module.Require("lora_A"), up = module.Require("lora_B"), values = module.Require("lora_E");
        long initial = context.Settings.WholeNumber("init_r", 12);
        long? kept = Kept(module, context);
        long rank = kept ?? initial;
        if (down.Shape.Rank != 2 || down.Shape[0] != rank)
        {
            throw module.Wrong($"lora_A is {down.Shape}, but {(kept is null ? $"'init_r' is {initial}" : $"'{Pattern}' keeps {kept} rows of it")}");
        }

        // Every row was pruned: no update.
        if (rank == 0) yield break;
        double alpha = context.Settings.Number("lora_alpha", 8);
        double scale = (alpha > 0 ? alpha : rank) / (initial + 1e-5);
        yield return new AdaLoraDelta(module.Weight, down, up, values, scale, alpha) { Orientation = WeightOrientation.FromShape, SquareIsInOut = context.Config.IsConv1D };
    }

    /// <summary>How many rows the pattern keeps of a module; null where it says nothing of it.</summary>
    private static long? Kept(PeftModule module, PeftMethodContext context)
    {
        JsonNode? pattern = context.Settings.Json[Pattern];
        if (pattern is null) return null;
        if (pattern is not JsonObject entries) throw context.Settings.Wrong(Pattern, pattern, "an object");
        foreach (string key in (string[])[$"{module.Name}.lora_E", $"{module.Name}.lora_E.default"])
        {
            if (entries[key] is JsonArray flags) return flags.Count(flag => IsSet(flag, context));
        }

        return null;
    }

    private static bool IsSet(JsonNode? flag, PeftMethodContext context) => flag?.GetValueKind() switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw context.Settings.Wrong(Pattern, flag, "lists of true and false"),
    };
}
