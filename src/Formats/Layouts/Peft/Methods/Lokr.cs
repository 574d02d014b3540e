using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// LoKr: <c>lokr_w1</c> [o₁, i₁] or <c>lokr_w1_a</c>, <c>lokr_w1_b</c>; the same for w2, there also with a Tucker core <c>lokr_t2</c>. The
/// scale is α/r even where both factors are in full. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Lokr : IPeftMethod
{
    public string PeftType => "LOKR";

    public string Name => "LoKr";

    public IReadOnlyList<string> ModuleTensors => ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        KroneckerFactor first = Factor(module, "lokr_w1"), second = Factor(module, "lokr_w2", "lokr_t2");
        ModuleScale scale = context.ScaleOf(module);
        yield return new LokrDelta(module.Weight, first, second, scale.Scale, scale.Alpha)
        {
            // torch.kron lines dimensions up from the last, and PEFT gives W₁ the kernel's only for 2-d kernels.
            IsInnermost = second.Down is null && second.Up.Shape.Rank == 3,
        };
    }

    private static KroneckerFactor Factor(PeftModule module, string name, string? core = null)
    {
        if (module.Find(name) is { } whole)
        {
            if (module.Has($"{name}_a") || module.Has($"{name}_b")) throw module.Wrong($"{name} is there in full and as factors; expected one form");
            return new(whole);
        }

        (StoredTensor up, StoredTensor down) = (module.Require($"{name}_a"), module.Require($"{name}_b"));
        return core is not null && module.Find(core) is { } mid ? new(TuckerDown.Turned(module.Weight, up), TuckerDown.Of(module.Weight, down, mid)) : new(up, down);
    }
}
