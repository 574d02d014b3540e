using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// RandLoRA: <c>randlora_lambda</c> [r, n] and <c>randlora_gamma</c> [n, smaller side], and for the whole model <c>randlora_A</c> and
/// <c>randlora_B</c>, which PEFT also writes a copy of beside every module's own tensors. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class RandLora : IPeftMethod
{
    public string PeftType => "RANDLORA";

    public string Name => "RandLoRA";

    public IReadOnlyList<string> ModuleTensors => ["randlora_lambda", "randlora_gamma", "randlora_A", "randlora_B"];

    public IReadOnlyList<string> SharedTensors => ["randlora_A", "randlora_B"];

    public void Require(PeftMethodContext context) => context.RequireProjections(this);

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor lambda = module.Require("randlora_lambda");
        double alpha = context.Settings.Number("randlora_alpha", 640);
        if (lambda.Shape.Rank != 2) throw module.Wrong($"randlora_lambda is {lambda.Shape}; expected [r, n]");
        yield return new RandLoraDelta(
            module.Weight, (Projection(module, context, "randlora_A"), Projection(module, context, "randlora_B")), (lambda, module.Require("randlora_gamma")),
            alpha / context.Settings.WholeNumber("r", 32), alpha)
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = context.Config.IsConv1D,
        };
    }

    /// <summary>The module's own copy, where it has one.</summary>
    private static StoredTensor Projection(PeftModule module, PeftMethodContext context, string name) => module.Find(name) ?? context.RequireShared(name);
}
