using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// DeLoRA: <c>delora_A</c> [r, in], <c>delora_B</c> [out, r], <c>delora_lambda</c> [1], <c>delora_w_norm</c> [in]. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Delora : IPeftMethod
{
    public string PeftType => "DELORA";

    public string Name => "DeLoRA";

    public IReadOnlyList<string> ModuleTensors => ["delora_A", "delora_B", "delora_lambda", "delora_w_norm"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor down = module.Require("delora_A"), up = module.Require("delora_B");
        DeloraDelta delta = new(module.Weight, down, up, module.Require("delora_lambda"), module.Require("delora_w_norm"));
        context.RequireRank(module, down, dimension: 0);
        yield return delta;
    }
}
