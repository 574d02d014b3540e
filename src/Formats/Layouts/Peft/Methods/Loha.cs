using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>LoHa: <c>hada_w1_a</c> [out, r], <c>hada_w1_b</c> [r, in], the same for w2. See spec/layouts/peft.md, "LoHa".</summary>
internal sealed class Loha : IPeftMethod
{
    public string PeftType => "LOHA";

    public string Name => "LoHa";

    public IReadOnlyList<string> ModuleTensors => ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        (StoredTensor Up, StoredTensor Down) first = (module.Require("hada_w1_a"), module.Require("hada_w1_b"));
        (StoredTensor Up, StoredTensor Down) second = (module.Require("hada_w2_a"), module.Require("hada_w2_b"));
        ModuleScale scale = context.ScaleOf(module);
        if (first.Up.Shape.Rank != 2 || first.Down.Shape.Rank != 2) throw module.Wrong($"hada_w1_a {first.Up.Shape} and hada_w1_b {first.Down.Shape} are no matrices; expected [out, r] and [r, in]");
        TensorShape shape = new(first.Up.Shape[0], first.Down.Shape[1]);
        yield return new LohaDelta(module.Weight, first, second, shape, scale.Scale, scale.Alpha);
    }
}
