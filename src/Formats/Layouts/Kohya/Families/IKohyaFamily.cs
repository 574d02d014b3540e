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
}
