using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Names;

namespace LoraKit.Ops.Conversion.Regrouping;

/// <summary>One weight of the original model: what an adapter has of it, by either naming, and how the result names that.</summary>
/// <param name="Part">Whose it is.</param>
/// <param name="Rule">Which it is.</param>
/// <param name="Numbers">Of which block.</param>
/// <param name="Source">Whose names the adapter has.</param>
/// <param name="Target">How the result spells the part.</param>
internal sealed record WeightGroup(ModelPart Part, NameRule Rule, IReadOnlyList<string> Numbers, Naming Source, PartSpelling Target)
{
    /// <summary>Whether only names change.</summary>
    public bool IsRename => Source == Target.Naming || (!Rule.IsFused && !Rule.Division.CanReorder);

    /// <summary>How the result names a module of the weight.</summary>
    public ModuleName Name(int module) => new(Target.Spell(Rule.Name(Target.Naming, module, Numbers)));

    /// <summary>The same weight; a record's own comparison would compare lists by identity.</summary>
    public (ModelPart Part, NameRule Rule, string Numbers, Naming Source) Key => (Part, Rule, string.Join('.', Numbers), Source);
}
