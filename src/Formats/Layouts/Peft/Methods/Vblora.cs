using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// VB-LoRA: <c>vblora_logits_A</c> [r, in/v, bank] and <c>vblora_logits_B</c> [out/v, r, bank], or of each <c>_topk_indices</c> [.., .., k] and
/// <c>_topk_weights</c> [.., .., k − 1]; and one <c>base_model.vblora_vector_bank</c> [bank, v]. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Vblora : IPeftMethod
{
    private const string Bank = "vblora_vector_bank";

    public string PeftType => "VBLORA";

    public string Name => "VB-LoRA";

    public IReadOnlyList<string> ModuleTensors { get; } =
        [.. from side in (string[])["A", "B"] from form in (string[])["", "_topk_indices", "_topk_weights"] select $"vblora_logits_{side}{form}"];

    public IReadOnlyList<string> SharedTensors => [Bank];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        VectorChoices down = Choices(module, context, "vblora_logits_A"), up = Choices(module, context, "vblora_logits_B");
        VbloraDelta delta = new(module.Weight, down, up, context.RequireShared(Bank)) { Orientation = WeightOrientation.FromShape, SquareIsInOut = context.Config.IsConv1D };
        if (delta.Rank != context.ScaleOf(module).Rank) throw module.Wrong($"vblora_logits_A is of rank {delta.Rank}, but 'r' is {context.ScaleOf(module).Rank}");
        yield return delta;
    }

    private static VectorChoices Choices(PeftModule module, PeftMethodContext context, string name)
    {
        long count = context.Settings.WholeNumber("topk", 2);
        if (count is < 1 or > int.MaxValue) throw context.Settings.Wrong("topk", context.Settings.Json["topk"], "a number above 0");
        bool isChosen = !module.Has(name) && (module.Has($"{name}_topk_indices") || module.Has($"{name}_topk_weights"));
        return isChosen
            ? new(module.Require($"{name}_topk_indices"), module.Require($"{name}_topk_weights"), (int)count)
            : new(module.Require(name), null, (int)count);
    }
}
