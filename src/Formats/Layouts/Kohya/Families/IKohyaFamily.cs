using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>One of the kinds of update that kohya's and LyCORIS' files hold: whose tensors are its own, and what a module's tensors mean.</summary>
internal interface IKohyaFamily
{
    /// <summary>What messages call it: LoHa.</summary>
    string Name { get; }

    /// <summary>The endings of its tensors, without the dot: <c>hada_w1_a</c>.</summary>
    IReadOnlyList<string> Endings { get; }

    /// <summary>Those of them that no other kind has, and no model: they tell the layout.</summary>
    IReadOnlyList<string> Marks => Endings;

    /// <summary>Whether it updates the weight, of which a module has one update.</summary>
    bool IsOfWeight => true;

    /// <summary>Whether LyCORIS puts DoRA's magnitudes around it.</summary>
    bool CanBeDecomposed => false;

    /// <summary>Whether a module is of this kind.</summary>
    bool Owns(KohyaTensors module) => Marks.Any(module.Has);

    /// <summary>The updates of one module; every tensor it asks the module for is claimed.</summary>
    /// <exception cref="InvalidAdapterException">A tensor is missing, or shapes contradict each other.</exception>
    IEnumerable<AdapterDelta> Read(KohyaTensors module);

    /// <summary>What a module's tensors replace.</summary>
    IEnumerable<Replacement> Replace(KohyaTensors module) => [];

    /// <summary>Whether it is this family that says such an update, by its kind; magnitudes around it are not the family's.</summary>
    bool Holds(AdapterDelta update) => false;

    /// <summary>The same update as the family has words for it, as far as it has: the rest goes into the tensors, in F64.</summary>
    /// <param name="update">One that it holds.</param>
    /// <param name="scalesTwice">Whether readers of the file apply alpha / rank of LoHa and LoKr twice.</param>
    AdapterDelta Fold(AdapterDelta update, bool scalesTwice) => update;

    /// <summary>Why an update that it holds cannot be said, as the end of a sentence about its target; null where it can.</summary>
    string? Limit(AdapterDelta update, bool scalesTwice) => null;

    /// <summary>Adds the tensors of an update within the limits: read again, they are that update.</summary>
    void Write(AdapterDelta update, KohyaModule module)
    {
    }
}
