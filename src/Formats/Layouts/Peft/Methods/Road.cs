using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// RoAd: <c>road_theta</c> and <c>road_alpha</c>, [out/2], [out] or [2·out] by <c>variant</c>. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Road : IPeftMethod
{
    public string PeftType => "ROAD";

    public string Name => "RoAd";

    public IReadOnlyList<string> ModuleTensors => ["road_theta", "road_alpha"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor angles = module.Require("road_theta"), lengths = module.Require("road_alpha");
        RoadVariant variant = (context.Settings.Text("variant") ?? "road_1") switch
        {
            "road_1" => RoadVariant.One,
            "road_2" => RoadVariant.Two,
            "road_4" => RoadVariant.Four,
            _ => throw context.Settings.Wrong("variant", context.Settings.Json["variant"], "road_1, road_2 or road_4"),
        };
        long group = context.Settings.WholeNumber("group_size", 64);
        yield return new RoadDelta(module.Weight, angles, lengths, variant, group);
        yield return new RoadDelta(module.Bias, angles, lengths, variant, group) { IsOptional = true };
    }
}
