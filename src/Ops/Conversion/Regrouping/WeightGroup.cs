using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Names;

namespace LoraKit.Ops.Conversion.Regrouping;

/// <summary>One weight of the original model: what an adapter has of it, by either naming, and how the result names that.</summary>
/// <param name="Part">Whose it is.</param>
/// <param name="Rule">Which it is.</param>
/// <param name="Numbers">Of which block.</param>
/// <param name="IsDivided">Whether the adapter has diffusers' modules of it.</param>
/// <param name="Target">How the result spells the part.</param>
internal sealed record WeightGroup(ModelPart Part, NameRule Rule, IReadOnlyList<string> Numbers, bool IsDivided, PartSpelling Target)
{
    /// <summary>Whether only names change.</summary>
    public bool IsRename => IsDivided == (Target.Naming == Naming.Diffusers) || (!Rule.IsFused && !Rule.Division.CanReorder);

    /// <summary>How the result names a module of the weight.</summary>
    public ModuleName Name(int module) => new(Target.Spell(Rule.Name(Target.Naming, module, Numbers)));

    /// <summary>The same weight; a record's own comparison would compare lists by identity.</summary>
    public (ModelPart Part, NameRule Rule, string Numbers, bool IsDivided) Key => (Part, Rule, string.Join('.', Numbers), IsDivided);
}
