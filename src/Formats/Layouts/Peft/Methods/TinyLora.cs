using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Torch;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// TinyLoRA: <c>tinylora_A</c> [r, in], <c>tinylora_B</c> [out, r] and <c>tinylora_P</c> [u, r, r] per module, and the groups' vectors
/// <c>tinylora_v.0</c>, … [u]. Which group a module is in follows from its place in the model, and that from the seed its P was drawn
/// with. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class TinyLora : IPeftMethod
{
    // P is kept in the model's type: of BF16, 8 bits. What is compared are numbers around 1.
    private const double Rounding = 0.05;

    public string PeftType => "TINYLORA";

    public string Name => "TinyLoRA";

    public IReadOnlyList<string> ModuleTensors => ["tinylora_A", "tinylora_B", "tinylora_P"];

    public IReadOnlyList<string> SharedTensors => ["tinylora_v.*"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor projections = module.Find("tinylora_P") ?? throw new UnsupportedException(
            $"{Printable.Text(context.Settings.Path)}: the TinyLoRA adapter was saved without its projections (tinylora_P), which PEFT draws by the order of the model's modules; "
            + "save it again with save_projection=True", context.Settings.Path);
        StoredTensor vector = context.RequireShared($"tinylora_v.{Group(module, projections, context)}");
        yield return new TinyLoraDelta(module.Weight, module.Require("tinylora_A"), module.Require("tinylora_B"), projections, vector)
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = context.Config.IsConv1D,
        };
    }

    /// <summary>PEFT counts n modules off into round(n·(1 − weight_tying)) groups, in the order of the model.</summary>
    private static int Group(PeftModule module, StoredTensor projections, PeftMethodContext context)
    {
        int count = context.Modules.Count;
        double groups = Math.Max(1, Math.Round(count * (1 - context.Settings.Number("weight_tying", 0))));
        if (groups == 1) return 0;
        if (groups > count) throw context.Settings.Wrong("weight_tying", context.Settings.Json["weight_tying"], "a number from 0 to 1");
        int size = Math.Max(1, count / (int)groups);
        return Math.Min(Place(module, projections, context) / size, (int)groups - 1);
    }

    /// <summary>The place in the model's order: the one whose seed gives the module's P.</summary>
    private static int Place(PeftModule module, StoredTensor projections, PeftMethodContext context)
    {
        AdapterDelta.RequireValues(module.Weight, projections);
        if (projections.Shape.Rank != 3) throw module.Wrong($"tinylora_P is {projections.Shape}; expected [u, r, r]");
        long seed = context.Settings.WholeNumber("projection_seed", 42), size = projections.Shape.ElementCount;
        float[] drawn = new float[size < 32 ? size : 16];
        byte[] bytes = new byte[drawn.Length * projections.DType.Bytes()];
        float[] stored = new float[drawn.Length];
        projections.ReadBytes(0, bytes);
        FloatConvert.ToSingles(projections.DType, bytes, stored);
        float spread = MathF.Sqrt(projections.Shape[1]);
        int[] places = [.. Enumerable.Range(0, context.Modules.Count).Where(place =>
        {
            new TorchGenerator(seed + place).Normal(drawn);
            return drawn.Zip(stored, (own, theirs) => Math.Abs(own - (theirs * spread))).All(difference => difference <= Rounding);
        })];
        return places is [var only] ? only : throw module.Wrong(
            $"tinylora_P is what {places.Length} of the {context.Modules.Count} places in the model would draw with projection_seed {seed}, so its vector is not known; "
            + "expected one (all target modules in one file, as PEFT saved it)");
    }
}
