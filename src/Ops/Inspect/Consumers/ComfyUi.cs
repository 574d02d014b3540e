using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>ComfyUI's <c>LoraLoader</c>: keys that it does not know are left out with a line in its log. Source: comfy/lora.py, comfy/weight_adapter.</summary>
internal sealed class ComfyUi : IConsumer
{
    private const string Program = "ComfyUI";
    private static readonly string[] Read = ["comfy", "kohya", "lycoris", "diffusers", "diffusers-old", "xlabs"];

    public string Name => "comfyui";

    public IEnumerable<AdapterIssue> Check(Adapter adapter)
    {
        if (!Read.Contains(adapter.Layout)) return [Finding.Ignored($"{Program} knows no key of the layout {adapter.Layout}; convert it --to comfy or kohya")];
        return
        [
            .. adapter.Deltas.Where(delta => !IsRead(delta)).Select(delta => Finding.Ignored($"{Program} has no {delta.Kind}", delta.Target.Path)),
            .. adapter.Replacements.Where(replacement => replacement.Reason != "set_weight").Select(replacement => Finding.Ignored($"{Program} leaves out weights in full ({replacement.Reason})", replacement.Target.Path)),
            .. adapter.Deltas.OfType<MagnitudeDelta>().Where(dora => dora.Magnitude is { } magnitude && IsByOutput(dora, magnitude.Shape[0])).Select(Dora),
            .. adapter.Deltas.OfType<LowRankDelta>().Where(update => adapter.Layout == "diffusers" && update.AlphaTensor is null && update.Scale != 1)
                .Select(update => Finding.Different($"{Program} does not read lora_adapter_metadata, and multiplies by 1; convert it --to comfy or kohya", update.Target.Module.Path)),
            .. Known(adapter, "zero_alpha", Finding.Different, $"{Program} takes alpha 0 for nothing at all, where sd-scripts takes it for the rank"),
            .. Known(adapter, "lycoris_scale", Finding.Different, $"{Program} applies alpha / rank of LoHa and LoKr once, where LyCORIS' merge applies it twice"),
            .. Known(adapter, "bundle_emb", Finding.Ignored, $"{Program} leaves out embeddings packed into the file"),
            .. adapter.Deltas.Where(delta => delta is DiagOftDelta { Limit: not null } or ButterflyDelta { Limit: not null })
                .Select(delta => Finding.Different($"{Program} takes alpha of OFT for the limit itself, where sd-scripts and LyCORIS multiply it by the outputs", delta.Target.Module.Path)),
            .. adapter.Deltas.Where(delta => delta is DiagOftDelta { Rescale: not null }).Select(delta => Finding.Ignored($"{Program} leaves out rescale of Diag-OFT", delta.Target.Module.Path)),
        ];
    }

    private static bool IsRead(AdapterDelta delta) =>
        (delta is MagnitudeDelta dora ? dora.Inner : delta) is LowRankDelta or LohaDelta or LokrDelta or GloraDelta or DiagOftDelta or ButterflyDelta or DenseDelta;

    private static bool IsByOutput(MagnitudeDelta dora, long first) => dora.Axis != MagnitudeAxis.Input && (dora.Axis == MagnitudeAxis.Output || first == dora.Shape?[0]);

    private static AdapterIssue Dora(MagnitudeDelta dora) => dora.Magnitude!.Shape.Rank == 1
        ? Finding.Different($"{Program} lays magnitudes of one dimension along the inputs", dora.Target.Module.Path)
        : Finding.Different($"{Program} divides magnitudes of outputs by the norm of the base alone (see --dora-norm base)", dora.Target.Module.Path);

    private static IEnumerable<AdapterIssue> Known(Adapter adapter, string code, Func<string, string?, AdapterIssue> finding, string message) =>
        adapter.Issues.Where(issue => issue.Code == code).Select(issue => finding(message, issue.Where));
}
