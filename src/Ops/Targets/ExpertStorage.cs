using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Which way a base stores its stacks of experts: [E, out, in] (Mixtral, Qwen, every GGUF file) or [E, in, out] (gpt-oss, Llama 4). What goes into <c>down_proj</c> is
/// half of what comes out of <c>gate_up_proj</c>, so one of the two tells it even where the other is square.
/// </summary>
internal static class ExpertStorage
{
    /// <summary>Whether it is [E, in, out]; null where the two do not say.</summary>
    /// <param name="base">The base.</param>
    /// <param name="tensor">One of its stacks.</param>
    public static bool? IsInOut(Checkpoint @base, string tensor)
    {
        if (@base.Gguf is not null) return false;
        string ending = tensor.EndsWith(".weight", StringComparison.Ordinal) ? ".weight" : "";
        string stack = tensor[..^ending.Length];
        string module = stack[..(stack.LastIndexOf('.') + 1)];
        if (Shape("gate_up_proj") is not { Rank: 3 } inner || Shape("down_proj") is not { Rank: 3 } outer) return null;
        bool outIn = inner[1] == 2 * outer[2] && inner[2] == outer[1], inOut = inner[2] == 2 * outer[1] && inner[1] == outer[2];
        return outIn == inOut ? null : inOut;

        TensorShape? Shape(string leaf) => @base.Tensors.GetValueOrDefault($"{module}{leaf}{ending}")?.Shape;
    }
}
