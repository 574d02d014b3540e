using System.Globalization;
using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>Ollama's <c>ADAPTER</c>: its own converter of PEFT's and MLX' folders, llama.cpp for GGUF. Source: ollama, convert/convert_llama_adapter.go.</summary>
internal sealed class Ollama : IConsumer
{
    private const string Program = "Ollama", Instead = "convert --to gguf, and name that file";

    public string Name => "ollama";

    public IEnumerable<AdapterIssue> Check(Adapter adapter)
    {
        if (adapter.Layout == "gguf") return new LlamaCpp().Check(adapter);
        if (adapter.Layout == "mlx") return Finding.Scales(adapter, _ => 1, $"{Program} does not use the scale of MLX' adapters, and multiplies by 1; {Instead}");
        if (PeftSettings.IsOther(adapter, Program, out AdapterIssue other)) return [other];
        double alpha = PeftSettings.Alpha(adapter);
        return
        [
            .. Finding.Kinds(adapter, Program), .. Finding.Replacements(adapter, Program),
            .. double.IsInteger(alpha) && alpha >= 0 ? (AdapterIssue[])[]
                : [Finding.Different($"{Program} takes lora_alpha for a whole number, and it is {alpha.ToString("R", CultureInfo.InvariantCulture)}; {Instead}")],
            .. Finding.Scales(adapter, update => alpha == 0 ? 1 : alpha / update.Rank, $"{Program} reads lora_alpha and neither use_rslora nor alpha_pattern; {Instead}"),
            .. adapter.Deltas.Where(delta => delta.Target.Module.Leaf is "q_proj" or "k_proj").Select(delta => Finding.Different(
                $"{Program} reorders A of q_proj and k_proj, where llama.cpp reorders B; {Instead}", delta.Target.Module.Path)),
        ];
    }
}
