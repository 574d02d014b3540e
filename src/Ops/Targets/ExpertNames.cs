using System.Globalization;

namespace LoraKit.Ops.Targets;

/// <summary>Where one expert's weight lies in a stack of all.</summary>
/// <param name="Expert">Which expert.</param>
/// <param name="Half">Which half of the outputs: 0 is the gate, 1 what it lets through; null for all outputs.</param>
internal sealed record ExpertPlace(long Expert, int? Half);

/// <summary>A base's weights of single experts that a stack would hold.</summary>
/// <param name="Before">What their names have before the expert's number: <c>model.layers.0.mlp.experts</c>.</param>
/// <param name="Leaves">The modules, in the order of the stack's outputs.</param>
internal sealed record ExpertTensors(string Before, IReadOnlyList<string> Leaves)
{
    public string Name(long expert, string leaf) => $"{Before}.{expert.ToString(CultureInfo.InvariantCulture)}.{leaf}.weight";
}

/// <summary>
/// Experts by themselves (<c>experts.3.gate_proj</c>, Mixtral's <c>experts.3.w1</c>) and in stacks (<c>experts.gate_up_proj</c>), as transformers 5
/// fuses them: gate over up, and down. It calls Mixtral's block <c>mlp</c>, which the files call <c>block_sparse_moe</c>.
/// </summary>
internal static class ExpertNames
{
    private const string Experts = "experts";
    private const string Weight = ".weight";

    private static readonly (string Stack, string[][] Leaves)[] Stacks =
    [
        ("gate_up_proj", [["gate_proj", "up_proj"], ["w1", "w3"], ["gate_up_proj"]]),
        ("down_proj", [["down_proj"], ["w2"]]),
        ("gate_proj", [["gate_proj"], ["w1"]]),
        ("up_proj", [["up_proj"], ["w3"]]),
    ];

    /// <summary>The stack that has an expert's weight, and where; null where the name is no expert's, or the base has no such stack.</summary>
    public static (string Tensor, ExpertPlace Place)? Stack(string path, BaseNames names)
    {
        if (path.Split('.') is not [.. var block, Experts, var number, var leaf, "weight"]) return null;
        if (!long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long expert)) return null;
        foreach ((string stack, string[][] spellings) in Stacks)
        {
            foreach (string[] leaves in spellings)
            {
                int at = Array.IndexOf(leaves, leaf);
                if (at < 0) continue;
                IEnumerable<string> spelt = Blocks(block).SelectMany(b => new[] { Join(b, Experts, stack), Join(b, Experts, stack) + Weight });
                if (Only(spelt, names) is { } found) return (found, new(expert, leaves.Length == 1 ? null : at));
            }
        }

        return null;
    }

    /// <summary>The weights of single experts that the base has in place of a stack; null where the name is no stack's, or the base has none.</summary>
    public static ExpertTensors? Singles(string path, BaseNames names)
    {
        if (StackedModules(path) is not var (before, stacked)) return null;
        foreach (string[] leaves in stacked)
        {
            foreach (string[] spelt in Blocks(before.Split('.')[..^1]))
            {
                string ending = $".0.{leaves[0]}{Weight}";
                if (Only([Join(spelt, Experts) + ending], names) is { } found) return new(found[..^ending.Length], leaves);
            }
        }

        return null;
    }

    /// <summary>The modules that a stack of experts holds of each, by every spelling; nothing where the name is no stack's.</summary>
    /// <param name="path">The stack's name.</param>
    /// <returns>All but the stack's own name of its path, and the modules in the order of its outputs.</returns>
    public static (string Before, IEnumerable<string[]> Leaves)? StackedModules(string path)
    {
        string[] parts = (path.EndsWith(Weight, StringComparison.Ordinal) ? path[..^Weight.Length] : path).Split('.');
        return parts is [.. var block, Experts, var stack] ? (Join(block, Experts), Stacks.Where(s => s.Stack == stack).SelectMany(s => s.Leaves)) : null;
    }

    /// <summary>The same name with the block of experts as the other generation of transformers calls it; null where none is in it.</summary>
    public static string? OtherBlock(string path)
    {
        if (path.Split('.') is not [.. var block, "gate", "weight"]) return null;
        string[][] blocks = [.. Blocks(block)];
        return blocks.Length == 1 ? null : Join(blocks[1], "gate", "weight");
    }

    private static string? Only(IEnumerable<string> spellings, BaseNames names)
    {
        foreach (string spelling in spellings)
        {
            if (names.Find(spelling) is [var found]) return found;
        }

        return null;
    }

    private static IEnumerable<string[]> Blocks(string[] block)
    {
        yield return block;
        if (block is [.. var layer, "mlp"]) yield return [.. layer, "block_sparse_moe"];
        if (block is [.. var old, "block_sparse_moe"]) yield return [.. old, "mlp"];
    }

    private static string Join(string[] block, params string[] rest) => string.Join('.', [.. block, .. rest]);
}
