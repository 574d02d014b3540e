using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// WaveFT: <c>waveft_spectrum</c> [n]; the places come from <c>random_loc_seed</c>, the wavelet from <c>wavelet_family</c>. See
/// spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class WaveFt : IPeftMethod
{
    public string PeftType => "WAVEFT";

    public string Name => "WaveFT";

    public IReadOnlyList<string> ModuleTensors => ["waveft_spectrum"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        JsonSettings settings = context.Settings;
        bool isTransformed = !settings.Json.ContainsKey("use_idwt") || settings.Flag("use_idwt");
        yield return new WaveFtDelta(
            module.Weight, module.Require("waveft_spectrum"), settings.WholeNumber("random_loc_seed", 777), settings.Number("scaling", 25),
            isTransformed ? settings.Text("wavelet_family") ?? "db1" : null)
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = context.Config.IsConv1D,
        };
    }
}
