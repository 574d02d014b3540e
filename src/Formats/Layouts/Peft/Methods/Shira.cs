using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>SHiRA: <c>shira_weight</c> [n] and <c>shira_indices</c> [2, n]. See spec/layouts/peft.md, "Methods other than LoRA".</summary>
internal sealed class Shira : IPeftMethod
{
    public string PeftType => "SHIRA";

    public string Name => "SHiRA";

    public IReadOnlyList<string> ModuleTensors => ["shira_weight", "shira_indices"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context) =>
        [new ShiraDelta(module.Weight, module.Require("shira_weight"), module.Require("shira_indices"))];
}
