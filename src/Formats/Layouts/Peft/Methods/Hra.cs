using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>HRA: <c>hra_u</c> [in·kernel, r], with <c>apply_GS</c> orthonormalised. See spec/layouts/peft.md, "Methods other than LoRA".</summary>
internal sealed class Hra : IPeftMethod
{
    public string PeftType => "HRA";

    public string Name => "HRA";

    public IReadOnlyList<string> ModuleTensors => ["hra_u"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor vectors = module.Require("hra_u");
        HraDelta delta = new(module.Weight, vectors, context.Settings.Flag("apply_GS"));
        context.RequireRank(module, vectors, dimension: 1);
        yield return delta;
    }
}
