using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// OFT since PEFT 0.16: <c>oft_R.weight</c> [blocks, b(b − 1)/2], of an embedding <c>oft_embedding_R.weight</c>. What older versions wrote
/// (<c>oft_r</c>, no <c>oft_block_size</c>) is another parametrization, which PEFT no longer loads. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Oft : IPeftMethod
{
    // A product of two blocks for each.
    private const long MostTerms = 1000;

    // Until this version PEFT took the last power of its series twice, as all others.
    private static readonly Version LastTermOnce = new(0, 18);

    public string PeftType => "OFT";

    public string Name => "OFT";

    public IReadOnlyList<string> ModuleTensors => ["oft_R.weight", "oft_embedding_R.weight", "oft_r", "oft_s"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        if (module.Has("oft_r") || !context.Settings.Json.ContainsKey("oft_block_size"))
        {
            throw new UnsupportedException(
                $"{Printable.Text(context.Settings.Path)}: module '{Printable.Text(module.Name.Path)}' uses OFT as PEFT had it before 0.16 "
                + $"({(module.Has("oft_r") ? "tensor oft_r" : "no 'oft_block_size'")}), which is not read; merge it with PEFT 0.13 or 0.15, whichever saved it",
                context.Settings.Path, module.Name.Path);
        }

        bool isEmbedding = module.Has("oft_embedding_R.weight");
        StoredTensor triangles = module.Require(isEmbedding ? "oft_embedding_R.weight" : "oft_R.weight");
        // PEFT falls back to blocks of one input where no size divides a prime number of them: nothing to turn.
        if (triangles.Shape.Rank == 2 && triangles.Shape[0] > 0 && triangles.Shape[1] == 0) yield break;
        OftDelta delta = new(module.Weight, triangles, Parametrization(context), isEmbedding);
        RequireSaid(module, context, delta);
        yield return delta;
    }

    private static OftParametrization Parametrization(PeftMethodContext context)
    {
        const string count = "num_cayley_neumann_terms";
        long terms = context.Settings.WholeNumber(count, 5);
        if (terms > MostTerms) throw context.Settings.Wrong(count, context.Settings.Json[count], $"at most {MostTerms}");
        bool isNeumann = !context.Settings.Json.ContainsKey("use_cayley_neumann") || context.Settings.Flag("use_cayley_neumann");
        bool isOld = isNeumann && (context.Config.Version is not { } version || version < LastTermOnce);
        const string code = "oft_series";
        if (isOld && !context.Issues.Exists(issue => issue.Code == code))
        {
            context.Issues.Add(new(code, IssueSeverity.Warning,
                "OFT's Neumann series is taken as PEFT had it when this was saved, before 0.18; later versions load it with another last term, and warn", "peft_version"));
        }

        return new()
        {
            Series = isOld ? OftSeries.DoubledNeumann : isNeumann ? OftSeries.Neumann : OftSeries.Cayley,
            Terms = terms,
            Constraint = context.Settings.Flag("coft") ? context.Settings.Number("eps", 6e-5) : null,
            IsShared = context.Settings.Flag("block_share"),
        };
    }

    /// <summary>Where not one block is shared by all, the tensor tells the number of inputs, and so what the settings come to.</summary>
    private static void RequireSaid(PeftModule module, PeftMethodContext context, OftDelta delta)
    {
        if (context.Settings.Flag("block_share")) return;
        (long blocks, long size) = (delta.Triangles.Shape[0], delta.BlockSize);
        long saidBlocks = context.Settings.WholeNumber("r", 0), saidSize = context.Settings.WholeNumber("oft_block_size", 32);
        bool fits = saidSize > 0 ? Divisor(checked(blocks * size), saidSize) == size : Divisor(checked(blocks * size), saidBlocks) == blocks;
        if (!fits)
        {
            string said = saidSize > 0 ? $"'oft_block_size' is {saidSize}" : $"'r' is {saidBlocks}";
            throw module.Wrong($"oft_R is {delta.Triangles.Shape}, so {blocks} blocks of {size}, but {said}");
        }
    }

    /// <summary>PEFT takes the divisor of the inputs that is nearest, the lower of two.</summary>
    private static long Divisor(long inputs, long wanted)
    {
        if (wanted >= inputs || wanted <= 0) return inputs;
        long lower = wanted, higher = wanted;
        while (lower > 1 && inputs % lower != 0) lower--;
        while (inputs % higher != 0) higher++;
        return wanted - lower <= higher - wanted ? lower : higher;
    }
}
