using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>
/// LoRA on the experts of a SwitchLinear: lora_a [E, r, in] and lora_b [E, out, r], by expert what A and B are. mlx-lm keeps gate and up apart, as most checkpoints have them.
/// See spec/layouts/mlx.md, "Experts".
/// </summary>
internal static class MlxExperts
{
    /// <summary>The two of them in one stack, gate over up.</summary>
    private const string Fused = "gate_up_proj";

    /// <summary>The update, or null where the shapes are no such factors. Older files have lora_a as [E·r, in].</summary>
    public static ExpertsDelta? Read(ParameterName target, TensorValue a, TensorValue b, double scale)
    {
        if (b.Shape.Rank != 3) return null;
        (long experts, long outputs, long rank) = (b.Shape[0], b.Shape[1], b.Shape[2]);
        long inputs = a.Shape.Rank == 0 ? 0 : a.Shape[a.Shape.Rank - 1];
        if (experts == 0 || outputs == 0 || rank == 0 || (a.Shape != new TensorShape(experts, rank, inputs) && a.Shape != new TensorShape(experts * rank, inputs))) return null;
        TensorValue down = ReshapedTensor.Of(a, new TensorShape(experts * rank, inputs)), up = ReshapedTensor.Of(new SwappedTensor(b), new TensorShape(outputs, experts * rank));
        return new ExpertsDelta(target, down, up, experts, ExpertColumns.ExpertMajor, scale, scale * rank);
    }

    /// <summary>lora_a and lora_b.</summary>
    public static (TensorValue A, TensorValue B) Factors(ExpertsDelta delta)
    {
        (long experts, long rank, long outputs, long inputs) = (delta.Experts, delta.Rank, delta.Up.Shape[0], delta.Down.Shape[1]);
        TensorValue b = delta.Order == ExpertColumns.ExpertMajor
            ? new SwappedTensor(ReshapedTensor.Of(delta.Up, new TensorShape(outputs, experts, rank)))
            : ReshapedTensor.Of(TransposedTensor.Of(ReshapedTensor.Of(delta.Up, new TensorShape(outputs * rank, experts))), new TensorShape(experts, outputs, rank));
        return (ReshapedTensor.Of(delta.Down, new TensorShape(experts, rank, inputs)), b);
    }

    /// <summary>Whether the base may have the experts as MLX has them, [E, out, in].</summary>
    public static bool IsOutIn(ExpertsDelta delta) =>
        delta.Orientation != WeightOrientation.InOut && !(delta.Orientation == WeightOrientation.FromShape && delta.SquareIsInOut && delta.Up.Shape[0] == delta.Down.Shape[1]);

    /// <summary>gate and up by themselves, with the same A; another update as it is.</summary>
    public static IEnumerable<AdapterDelta> Apart(AdapterDelta delta)
    {
        if (delta is not ExpertsDelta { Target.Parameter: Fused } fused || !IsOutIn(fused) || fused.Up.Shape[0] % 2 != 0) return [delta];
        long half = fused.Up.Shape[0] / 2;
        return [Half("gate_proj", 0), Half("up_proj", half)];

        ExpertsDelta Half(string name, long first) => new(
            fused.Target with { Parameter = name }, fused.Down, new MatrixSlice(fused.Up, first, half, 0, fused.Up.Shape[1]), fused.Experts, fused.Order, fused.Scale, fused.Alpha);
    }
}
