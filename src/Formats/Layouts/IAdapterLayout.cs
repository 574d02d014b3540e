using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts;

/// <summary>How sure a layout is that a file is its own.</summary>
public enum LayoutMatch : byte
{
    /// <summary>Not this layout.</summary>
    No,

    /// <summary>Could be; taken only if nothing is certain.</summary>
    Possible,

    /// <summary>Certainly this layout.</summary>
    Certain,
}

/// <summary>
/// One key scheme. Detection looks at names, shapes and the presence of a configuration, never at values, and its result does not
/// depend on the order of the list.
/// </summary>
public interface IAdapterLayout
{
    /// <summary>The name users type: <c>peft</c>.</summary>
    string Name { get; }

    /// <summary>What the name of a single file that it writes may end in, dot included; a layout of folders writes to no such name.</summary>
    IReadOnlyList<string> Endings => [".safetensors"];

    /// <summary>Whether the file is of this layout.</summary>
    LayoutMatch Detect(AdapterSource source);

    /// <summary>
    /// Reads it. Every tensor is claimed or the read fails listing all that are left. The adapter owns <paramref name="source"/>
    /// from then on; on failure the caller still does.
    /// </summary>
    /// <exception cref="InvalidAdapterException">Keys or settings contradict each other.</exception>
    /// <exception cref="UnsupportedException">A kind that is understood but not read yet.</exception>
    Adapter Read(AdapterSource source);

    /// <summary>What this layout cannot say of an adapter, one reason each; empty where it can be written without loss.</summary>
    IReadOnlyList<string> Limits(Adapter adapter);

    /// <summary>Whether the layout writes updates of this kind as they are; others have to become plain LoRA first. Names and scales are not looked at.</summary>
    bool Holds(AdapterDelta delta) => delta is LowRankDelta;

    /// <summary>The same among all updates of an adapter: a file may have room for one kind alone.</summary>
    bool Holds(AdapterDelta delta, Adapter adapter) => Holds(delta);

    /// <summary>
    /// The same updates as far as the layout has words for them: a scale, a rank, a setting that it cannot say goes into the factors, exactly. The adapter itself where
    /// nothing has to. Tensors that change are computed in F64; whoever writes them rounds once. What is beyond that stays, and <see cref="Limits"/> names it.
    /// </summary>
    Adapter Fold(Adapter adapter) => adapter;

    /// <summary>
    /// Lays the adapter out as files: Read of what is written is the same adapter. Tensors keep their element types; scales are written as
    /// the layout says them (alpha and rank), settings and metadata are carried where they stay true and corrected where they do not.
    /// </summary>
    /// <exception cref="UnsupportedException">The adapter is beyond <see cref="Limits"/>; the message has every reason.</exception>
    AdapterFiles Write(Adapter adapter);

    /// <summary>The same for a file of some name: of several containers it is the one that the name's ending says.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="path">Where it is to be written; with one of <see cref="Endings"/>, or any name for the first of them.</param>
    /// <exception cref="UnsupportedException">As <see cref="Write(Adapter)"/>, or the container cannot hold it.</exception>
    AdapterFiles Write(Adapter adapter, string path) => Write(adapter);
}
