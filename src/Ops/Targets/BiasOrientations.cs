using LoraKit.Formats.Checkpoints;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Which way a model stores its matrices, by the biases beside them: a bias is as long as the output. Square matrices say nothing, and
/// follow the others of the same name (GPT-2's <c>c_proj</c> is square in one place only).
/// </summary>
internal sealed class BiasOrientations(Checkpoint model)
{
    private readonly Dictionary<string, bool?> _known = new(StringComparer.Ordinal);

    /// <summary>Whether matrices of this name are [in, out], as transformers' Conv1D; null where none says so, or they disagree.</summary>
    /// <param name="leaf">The last component of the module's name.</param>
    public bool? IsInOut(string leaf)
    {
        if (_known.TryGetValue(leaf, out bool? known)) return known;
        string ending = $".{leaf}.weight";
        bool[] seen = [.. model.Tensors
            .Where(t => t.Value.Shape.Rank == 2 && t.Value.Shape[0] != t.Value.Shape[1] && t.Key.EndsWith(ending, StringComparison.Ordinal))
            .Select(t => (t.Value.Shape, Bias: model.Tensors.GetValueOrDefault(t.Key[..^"weight".Length] + "bias")?.Shape))
            .Where(t => t.Bias is { Rank: 1 } bias && (bias[0] == t.Shape[0] || bias[0] == t.Shape[1]))
            .Select(t => t.Bias!.Value[0] == t.Shape[1])
            .Distinct()];
        return _known[leaf] = seen.Length == 1 ? seen[0] : null;
    }
}
