using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// UniLoRA: for the whole model <c>unilora_theta_d</c> [d], and with <c>save_indices</c> <c>unilora_indices_A/B</c> and
/// <c>unilora_scales_A/B</c> per module. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class UniLora : IPeftMethod
{
    public string PeftType => "UNILORA";

    public string Name => "UniLoRA";

    public IReadOnlyList<string> ModuleTensors => ["unilora_indices_A", "unilora_indices_B", "unilora_scales_A", "unilora_scales_B"];

    public IReadOnlyList<string> SharedTensors => ["unilora_theta_d"];

    public void Require(PeftMethodContext context)
    {
        if (context.Modules.Count > 0) return;
        string path = context.Settings.Path;
        throw new UnsupportedException(
            $"{Printable.Text(path)}: the UniLoRA adapter was saved without its indices: PEFT draws them from NumPy's generator in the order of the model's modules, "
            + "which no file tells; save it again with save_indices=True", path);
    }

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        yield return new UniLoraDelta(
            module.Weight, context.RequireShared("unilora_theta_d"),
            (module.Require("unilora_indices_A"), module.Require("unilora_scales_A")), (module.Require("unilora_indices_B"), module.Require("unilora_scales_B")))
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = context.Config.IsConv1D,
        };
    }
}
