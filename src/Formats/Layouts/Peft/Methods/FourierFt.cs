using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>FourierFT: <c>fourierft_spectrum</c> [n]; the places come from <c>random_loc_seed</c>. See spec/layouts/peft.md, "Methods other than LoRA".</summary>
internal sealed class FourierFt : IPeftMethod
{
    public string PeftType => "FOURIERFT";

    public string Name => "FourierFT";

    public IReadOnlyList<string> ModuleTensors => ["fourierft_spectrum"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        long seed = context.Settings.WholeNumber("random_loc_seed", 777);
        yield return new FourierFtDelta(module.Weight, module.Require("fourierft_spectrum"), seed, context.Settings.Number("scaling", 150))
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = context.Config.IsConv1D,
        };
    }
}
