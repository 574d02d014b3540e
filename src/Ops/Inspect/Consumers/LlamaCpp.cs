using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>llama.cpp: of PEFT's folders what convert_lora_to_gguf.py makes, of GGUF what the loader takes. Source: convert_lora_to_gguf.py, src/llama-adapter.cpp.</summary>
internal sealed class LlamaCpp : IConsumer
{
    private const string Program = "llama.cpp";

    public string Name => Program;

    public IEnumerable<AdapterIssue> Check(Adapter adapter)
    {
        if (adapter.Layout == "gguf") return Norms(adapter);
        if (PeftSettings.IsOther(adapter, Program, out AdapterIssue other)) return [other];
        double alpha = PeftSettings.Alpha(adapter);
        return
        [
            .. Finding.Kinds(adapter, Program), .. Norms(adapter),
            .. adapter.Replacements.Where(replacement => !IsNorm(replacement)).Select(replacement => Finding.Refused($"{Program}'s converter stops at weights in full ({replacement.Reason})", replacement.Target.Path)),
            .. adapter.Deltas.Where(delta => delta is DenseDelta && delta.Target.Parameter == "bias").Select(delta => Finding.Refused($"{Program}'s converter stops at biases", delta.Target.Module.Path)),
            // Alpha 0 is a scale of 1 there.
            .. Finding.Scales(adapter, update => alpha == 0 ? 1 : alpha / update.Rank, $"{Program}'s converter reads lora_alpha and neither use_rslora nor alpha_pattern; convert --to gguf writes the scale that is meant"),
        ];
    }

    private static IEnumerable<AdapterIssue> Norms(Adapter adapter) =>
        adapter.Replacements.Where(IsNorm).Select(replacement => Finding.Ignored($"{Program} passes over the weights of norms", replacement.Target.Path));

    private static bool IsNorm(Replacement replacement) => replacement.Target.Module.Leaf.EndsWith("norm", StringComparison.Ordinal);
}
