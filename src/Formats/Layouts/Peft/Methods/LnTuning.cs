using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// Layer-norm tuning: <c>ln_tuning_layers.weight</c> and <c>.bias</c> are the trained layer's own, and take the base's place. See
/// spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class LnTuning : IPeftMethod
{
    private const string Layer = "ln_tuning_layers";

    public string PeftType => "LN_TUNING";

    public string Name => "layer-norm tuning";

    public IReadOnlyList<string> ModuleTensors => [$"{Layer}.weight", $"{Layer}.bias"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context) => [];

    public IEnumerable<Replacement> Replace(PeftModule module, PeftMethodContext context)
    {
        foreach (ParameterName target in (ParameterName[])[module.Weight, module.Bias])
        {
            if (module.Find($"{Layer}.{target.Parameter}") is StoredTensor values) yield return new Replacement(target, values, null, "ln_tuning");
        }
    }
}
