using System.CommandLine;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;

namespace LoraKit.Tool.Options;

/// <summary>What the user knows better than the adapters' files: the options of <see cref="AdapterReadOptions"/>.</summary>
internal sealed class ReadingOptions
{
    private readonly Option<DoraNorm?> _doraNorm = ChoiceOption.Create<DoraNorm>(
        "--dora-norm", "WHICH", "updated, or base to merge DoRA by output as ComfyUI does: whose norm a magnitude is divided by (default: updated)", "norm of DoRA",
        ("updated", DoraNorm.Updated), ("base", DoraNorm.Base));

    private readonly Option<AttentionOutput?> _attentionOutput = ChoiceOption.Create<AttentionOutput>(
        "--mha-out", "TIMES", "once or twice: how often the update of an nn.MultiheadAttention's out_proj is added (default: as the PEFT that wrote it)", "number of times",
        ("once", AttentionOutput.Once), ("twice", AttentionOutput.Twice));

    private readonly Option<ExpertColumns?> _expertColumns = ChoiceOption.Create<ExpertColumns>(
        "--moe-b-layout", "WHOSE", "peft or unsloth: whose order the columns of B have in LoRA on stacks of experts (default: peft)", "layout of B",
        ("peft", ExpertColumns.RankMajor), ("unsloth", ExpertColumns.ExpertMajor));

    private readonly Option<LycorisScale?> _lycorisScale = ChoiceOption.Create<LycorisScale>(
        "--lycoris-scale", "TIMES", "once or twice: how often alpha / rank multiplies LyCORIS' LoHa and LoKr (default: twice under lycoris_ names, as LyCORIS merges)", "number of times",
        ("once", LycorisScale.Once), ("twice", LycorisScale.Twice));

    public ReadingOptions(Command command)
    {
        command.Options.Add(_doraNorm);
        command.Options.Add(_attentionOutput);
        command.Options.Add(_expertColumns);
        command.Options.Add(_lycorisScale);
    }

    public AdapterReadOptions Read(ParseResult parsed) => new()
    {
        DoraNorm = parsed.GetValue(_doraNorm) ?? default,
        AttentionOutput = parsed.GetValue(_attentionOutput) ?? default,
        ExpertColumns = parsed.GetValue(_expertColumns) ?? default,
        LycorisScale = parsed.GetValue(_lycorisScale) ?? default,
    };
}
