using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>
/// LoRA on fused stacks of experts, gate over up and down, as an update for each expert: GGUF has a stack for each of the three. The rows of B are divided and A is shared,
/// which is exact. See spec/layouts/gguf.md, "Experts".
/// </summary>
internal static class GgufExperts
{
    private static readonly Dictionary<string, string[]> Stacks = new() { ["gate_up_proj"] = ["ffn_gate_exps", "ffn_up_exps"], ["down_proj"] = ["ffn_down_exps"] };

    /// <summary>The updates of the experts; null where the architecture keeps no experts by themselves, or sizes do not tell what the factors are of.</summary>
    public static IReadOnlyList<LowRankDelta>? Split(AdapterDelta delta, BaseFacts facts)
    {
        if (GgufArchitecture.Named(facts.Architecture) is not { } architecture || facts is not { HiddenSize: { } hidden, ExpertSize: { } size }) return null;
        // A file may leave open which stack it is: the sizes tell, if they are not the same.
        return delta.Readings.OfType<ExpertsDelta>().SelectMany(reading => Readings(reading, hidden, size)).ToArray() is [var (stack, turned)] ? Split(stack, turned, architecture) : null;
    }

    /// <summary>What the factors can be of: the stack's weights [out, in], or the same turned.</summary>
    private static IEnumerable<(ExpertsDelta Stack, bool Turned)> Readings(ExpertsDelta stack, long hidden, long size)
    {
        (long outputs, long inputs) expected = StackOf(stack) == "down_proj" ? (hidden, size) : (2 * size, hidden), found = (stack.Up.Shape[0], stack.Down.Shape[1]);
        if (found == expected) yield return (stack, false);
        if ((found.inputs, found.outputs) == expected) yield return (stack, true);
    }

    private static IReadOnlyList<LowRankDelta>? Split(ExpertsDelta stack, bool turned, GgufArchitecture architecture)
    {
        if (stack.Target.Path.Split('.') is not ["model", "layers", var layer, "mlp" or "block_sparse_moe", "experts", ..] || !Stacks.TryGetValue(StackOf(stack), out string[]? places)) return null;
        Func<int, string>?[] names = [.. places.Select(place => architecture.ToHugging($"blk.{layer}.{place}"))];
        if (names.Contains(null)) return null;
        long outputs = (turned ? stack.Down.Shape[1] : stack.Up.Shape[0]) / places.Length;
        return [.. names.SelectMany((name, part) => Enumerable.Range(0, checked((int)stack.Experts))
            .Select(expert => stack.Expert(new(new(name!(expert)), "weight"), new(expert, part * outputs, outputs, turned))))];
    }

    private static string StackOf(ExpertsDelta stack) => stack.Target.Label.Split('.') is [.., "experts", var name] ? name : "";
}
