using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// GraLoRA: <c>gralora_A</c> [N, in/N, r] and <c>gralora_B</c> [N, r, out/N]; with <c>hybrid_r</c> also <c>gralora_A_general.weight</c> [h, in] and
/// <c>gralora_B_general.weight</c> [out, h]. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Gralora : IPeftMethod
{
    public string PeftType => "GRALORA";

    public string Name => "GraLoRA";

    public IReadOnlyList<string> ModuleTensors => ["gralora_A", "gralora_B", "gralora_A_general.weight", "gralora_B_general.weight"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor down = module.Require("gralora_A"), up = module.Require("gralora_B");
        long plain = context.Settings.WholeNumber("hybrid_r", 0);
        (TensorValue Down, TensorValue Up)? hybrid = plain != 0 || module.Has("gralora_A_general.weight")
            ? (module.Require("gralora_A_general.weight"), module.Require("gralora_B_general.weight"))
            : null;
        context.RequireRank(module, down, dimension: 2);
        RequireSaid("gralora_k", 2, down.Shape, 0);
        if (hybrid is not null) RequireSaid("hybrid_r", 0, hybrid.Value.Down.Shape, 0);
        ModuleScale said = context.ScaleOf(module);
        yield return new GraloraDelta(module.Weight, down, up, hybrid, said.Alpha / (said.Rank + plain), said.Alpha)
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = context.Config.IsConv1D,
        };

        void RequireSaid(string setting, long otherwise, TensorShape found, int dimension)
        {
            long number = context.Settings.WholeNumber(setting, otherwise);
            if (found.Rank <= dimension || found[dimension] != number) throw module.Wrong($"'{setting}' is {number}, but a tensor of its is {found}");
        }
    }
}
