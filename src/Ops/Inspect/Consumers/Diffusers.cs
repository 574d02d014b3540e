using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>diffusers' <c>load_lora_weights</c>. Source: loaders/lora_conversion_utils.py, lora_pipeline.py, lora_base.py.</summary>
internal sealed class Diffusers : IConsumer
{
    private const string Program = "diffusers";
    private static readonly string[] Read = [Program, "diffusers-old", "kohya", "comfy", "xlabs"];
    private static readonly string[] Sgm = ["input_blocks", "middle_block", "output_blocks"], Blocks = ["down_blocks", "mid_block", "up_blocks"];

    public string Name => Program;

    public IEnumerable<AdapterIssue> Check(Adapter adapter)
    {
        if (!Read.Contains(adapter.Layout)) return [Finding.Refused($"{Program} reads {string.Join(", ", Read)}, and not {adapter.Layout}; convert it --to {Program}")];
        bool isForeign = adapter.Layout != Program;
        string[] modules = [.. adapter.Deltas.Select(delta => delta.Target.Module.Path)];
        bool isMixed = modules.Any(module => Has(module, Sgm)) && modules.Any(module => Has(module, Blocks));
        // Its converter of Qwen-Image's names is the one that drops alpha beside PEFT's factors.
        bool isQwen = adapter.Layout == "comfy" && modules.Any(module => module.Contains(".img_mlp.", StringComparison.Ordinal));
        return
        [
            .. adapter.Deltas.Where(delta => isForeign && delta is MagnitudeDelta { Inner: LowRankDelta })
                .Select(delta => Finding.Ignored($"{Program} takes dora_scale out, with a warning, and applies plain LoRA", delta.Target.Module.Path)),
            .. adapter.Deltas.Where(delta => delta is not (LowRankDelta or MagnitudeDelta { Inner: LowRankDelta } or DenseDelta))
                .Select(delta => Finding.Refused($"{Program} takes plain LoRA, and no {delta.Kind}; convert it", delta.Target.Module.Path)),
            .. adapter.Deltas.Where(delta => delta is DenseDelta && delta.Target.Parameter != "bias").Select(delta => Finding.Ignored($"{Program} leaves out differences of whole weights (diff, w_norm)", delta.Target.Path)),
            .. adapter.Replacements.Where(replacement => replacement.Target.Parameter != "scale").Select(replacement => Finding.Ignored($"{Program} leaves out weights in full", replacement.Target.Path)),
            .. modules.Where(module => adapter.Layout == "kohya" && IsDropped(module)).Select(module => Finding.Ignored($"{Program} leaves out T5 and text_projection", module)),
            .. modules.Where(module => isMixed && Has(module, Sgm)).Select(module => Finding.Ignored($"{Program} leaves out SGM's names where its own are in the same file", module)),
            .. adapter.Deltas.OfType<LowRankDelta>().Where(update => !isForeign && update.AlphaTensor is { } alpha && !alpha.DType.IsMergeable())
                .Select(update => Finding.Refused($"{Program} takes alpha as a float, and it is {update.AlphaTensor!.DType.FileName()}", update.Target.Module.Path)),
            .. adapter.Deltas.OfType<LowRankDelta>().Where(update => isQwen && update.Scale != 1 && update.Down.Name.Contains(".lora_A", StringComparison.Ordinal))
                .Select(update => Finding.Different($"{Program} drops alpha beside lora_A of Qwen-Image, and multiplies by 1", update.Target.Module.Path)),
        ];
    }

    private static bool Has(string module, string[] words) => words.Any(word => module.Contains(word, StringComparison.Ordinal));

    private static bool IsDropped(string module) =>
        module.EndsWith("text_projection", StringComparison.Ordinal) || (module.StartsWith("lora_te", StringComparison.Ordinal) && module.Contains("_encoder_block_", StringComparison.Ordinal));
}
