using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// LoHa: <c>hada_w1_a</c> [out, r], <c>hada_w1_b</c> [r, in], the same for w2; with Tucker cores <c>hada_t1</c>, <c>hada_t2</c>
/// [r, r, …kernel] the first is [r, out]. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Loha : IPeftMethod
{
    public string PeftType => "LOHA";

    public string Name => "LoHa";

    public IReadOnlyList<string> ModuleTensors => ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        (TensorValue Up, TensorValue Down) first = Pair(module, "1"), second = Pair(module, "2");
        ModuleScale scale = context.ScaleOf(module);
        if (module.Has("hada_t1") != module.Has("hada_t2")) throw module.Wrong("one of hada_t1 and hada_t2 is missing; expected both or none");
        context.RequireRank(module, module.Require("hada_w1_b"), dimension: 0);
        yield return new LohaDelta(module.Weight, first, second, scale.Scale, scale.Alpha);
    }

    private static (TensorValue Up, TensorValue Down) Pair(PeftModule module, string number)
    {
        (StoredTensor up, StoredTensor down) = (module.Require($"hada_w{number}_a"), module.Require($"hada_w{number}_b"));
        return module.Find($"hada_t{number}") is { } core ? (TuckerDown.Turned(module.Weight, up), TuckerDown.Of(module.Weight, down, core)) : (up, down);
    }
}
