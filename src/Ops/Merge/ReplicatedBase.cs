using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Merge;

/// <summary>
/// The model that adapters were trained on where that is the base with some layers several times: their names count the new layers. PEFT's own merge
/// adds all replicas' updates to the one weight they share; here each copy gets its own.
/// </summary>
internal static class ReplicatedBase
{
    /// <summary>The base as the adapters see it; the base itself where none asks for more layers.</summary>
    /// <param name="base">The base; the result has its files.</param>
    /// <param name="adapters">All adapters.</param>
    /// <exception cref="UnsupportedException">They do not agree, or the base has no list of layers to replicate.</exception>
    /// <exception cref="InvalidAdapterException">The base has no such layers.</exception>
    public static Checkpoint Of(Checkpoint @base, IReadOnlyList<Adapter> adapters)
    {
        if (adapters.FirstOrDefault(a => a.LayerReplication.Count > 0) is not { } first) return @base;
        if (adapters.FirstOrDefault(a => !a.LayerReplication.SequenceEqual(first.LayerReplication)) is { } other)
        {
            throw new UnsupportedException(
                $"{Printable.Text(first.Path)} and {Printable.Text(other.Path)} were trained on different layers of the base ('layer_replication'); merge them one by one", other.Path);
        }

        if (@base.Gguf is not null)
        {
            throw new UnsupportedException(
                $"{Printable.Text(first.Path)}: was trained on replicated layers ('layer_replication'), which a GGUF base is not given; merge into the model in Hugging Face's files", first.Path);
        }

        return @base.Replicated(LayerReplication.Of(@base.Tensors.Keys, first.LayerReplication, @base.Path));
    }
}
