using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Layouts.Gguf;

namespace LoraKit.Ops.Targets;

/// <summary>
/// Where a GGUF file has what adapters name as Hugging Face does: by the names of its architecture, with the order of rows that llama.cpp wants. See spec/algebra.md, "Names in GGUF".
/// </summary>
internal sealed class GgufNames(GgufModelFile model, BaseNames names)
{
    private const string Weight = ".weight";

    private readonly BaseFacts _facts = model.Facts;
    private readonly GgufArchitecture? _architecture = GgufArchitecture.Named(model.Facts.Architecture);

    /// <summary>What the base has for a parameter.</summary>
    public Target Find(ParameterName parameter)
    {
        if (_architecture is null) return new(null, $"{parameter}: the base's architecture is '{_facts.Architecture}', whose names in GGUF are not known; known are {GgufArchitecture.Names}");
        foreach (string path in Spellings(parameter.Path))
        {
            if ((Module(path, parameter) ?? Stack(path) ?? Norm(path)) is { } target) return target;
        }

        return new(null, $"{parameter} has no name in GGUF that is known for the base's architecture, {_architecture.Name}");
    }

    /// <summary>The name; without the wrappers of other classes; and with the block of experts as the other generation of transformers calls it.</summary>
    private static IEnumerable<string> Spellings(string path)
    {
        string bare = WrapperPrefixes.Strip(path);
        string[] spelt = [path, bare, "model." + bare];
        return spelt.SelectMany(name => new[] { name, name.Replace(".mlp.", ".block_sparse_moe.", StringComparison.Ordinal), name.Replace(".block_sparse_moe.", ".mlp.", StringComparison.Ordinal) }).Distinct();
    }

    private Target? Module(string path, ParameterName parameter)
    {
        (string module, string leaf) = Split(path);
        if (_architecture!.ToGguf(module) is not var (place, expert)) return null;
        string tensor = $"{place}.{leaf}";
        if (!names.Contains(tensor)) return Tied(place, tensor, parameter);
        if (expert is { } number) return new(tensor, null, Place: new(number, null));
        if (!GgufHeads.Concern(_architecture, place)) return new(tensor, null);
        return GgufHeads.Of(_facts, place) is { } heads
            ? new(tensor, null, Heads: heads)
            : new(null, $"{parameter}: head counts missing: the base does not say how many heads {tensor} has, and its rows are in another order for each number; expected '{GgufKeys.Heads(_architecture.Name)}'");
    }

    private Target Tied(string place, string tensor, ParameterName parameter)
    {
        const string embedding = GgufKey.Embedding + Weight;
        return place == GgufKey.Output && tensor.EndsWith(Weight, StringComparison.Ordinal) && names.Contains(embedding)
            ? new(embedding, null, TiedTo: true)
            : new(null, $"{parameter} would be {tensor}, which is not in the base");
    }

    /// <summary>A stack of experts: the stacks that have its outputs.</summary>
    private Target? Stack(string path)
    {
        if (ExpertNames.StackedModules(path) is not var (before, spellings)) return null;
        foreach (string[] leaves in spellings)
        {
            string?[] stacks = [.. leaves.Select(leaf => _architecture!.ToGguf($"{before}.0.{leaf}") is { Expert: not null } place ? place.Name + Weight : null)];
            if (stacks.Any(stack => stack is null || !names.Contains(stack))) continue;
            return stacks is [var only] ? new(only, null) : new(null, null, Stacks: stacks!);
        }

        return null;
    }

    private Target? Norm(string path)
    {
        (string module, string leaf) = Split(path);
        return _architecture!.ToGgufNorm(module) is { } norm && names.Contains($"{norm}.{leaf}")
            ? new($"{norm}.{leaf}", null, IsPlusOne: _architecture.AddsOneToNorms && leaf == "weight")
            : null;
    }

    private static (string Module, string Leaf) Split(string path) => path.LastIndexOf('.') is var dot and >= 0 ? (path[..dot], path[(dot + 1)..]) : ("", path);
}
