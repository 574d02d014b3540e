using System.Text.Json;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>What diffusers' own converters make of other programs' files, update by update: F64 products of what they wrote.</summary>
public sealed class ConvertedByDiffusersTests
{
    public static TheoryData<string, string, string> Cases { get; } = new()
    {
        { "flux-kohya", "flux1", "diffusers" },
        { "flux-kohya-split-qkv", "flux1", "diffusers" },
        { "flux-xlabs", "flux1", "diffusers" },
        { "sd15-kohya", "sd1", "diffusers" },
        { "sd15-kohya", "sd1", "diffusers-old" },
        { "sdxl-kohya", "sdxl", "diffusers" },
        { "sdxl-kohya", "sdxl", "diffusers-old" },
        { "qwen-image-kohya", "qwen-image", "diffusers" },
        { "wan-comfy", "wan", "diffusers" },
        { "wan-musubi", "wan", "diffusers" },
        { "z-image-comfy", "z-image", "diffusers" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_update_is_diffusers(string @case, string architecture, string layout) => Compare(Paths.Fixture("diffusers-convert", @case), architecture, layout);

    /// <summary>At their true width.</summary>
    [Theory]
    [InlineData("flux-kohya")]
    [InlineData("flux-kohya-split-qkv")]
    [InlineData("flux-xlabs")]
    public void Files_of_flux_are_diffusers(string @case)
    {
        Assert.SkipWhen(Paths.Conformance is null, "no outputs of other programs on this machine");
        Compare(Path.Combine(Paths.Conformance!, "diffusers-convert", @case), "flux1", "diffusers");
    }

    private static void Compare(string folder, string architecture, string layout)
    {
        using TempFolder output = new();
        string input = Path.Combine(folder, "input.safetensors"), converted = output["converted.safetensors"];
        Converting.Run(Converting.Options(input, converted) with { Layout = layout, Architecture = architecture });
        using Adapter adapter = AdapterLayouts.Open(converted);
        Assert.Equal(layout, adapter.Layout);
        Dictionary<string, LowRankDelta> updates = adapter.Deltas.Cast<LowRankDelta>().ToDictionary(delta => delta.Target.Module.Path);
        Dictionary<string, ConvertedModule> expected = ConvertedModule.Read(folder);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), updates.Keys.Order(StringComparer.Ordinal));
        foreach ((string module, ConvertedModule by) in expected) by.AssertIs(updates[module]);
    }

    /// <summary>A module as diffusers wrote it, by its own names, however old.</summary>
    private sealed record ConvertedModule(double[] Down, double[] Up, int Rank, double Alpha)
    {
        private static readonly (string Old, string New, string OfText)[] Projections =
            [("to_q_lora", "to_q", "q_proj"), ("to_k_lora", "to_k", "k_proj"), ("to_v_lora", "to_v", "v_proj"), ("to_out_lora", "to_out.0", "out_proj")];

        public static Dictionary<string, ConvertedModule> Read(string folder)
        {
            Dictionary<string, (DType DType, TensorShape Shape, double[] Values)> tensors = SafetensorsBytes.Read(Path.Combine(folder, "diffusers.safetensors"));
            using JsonDocument alphas = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "network_alphas.json")));
            Dictionary<string, double> left = alphas.RootElement.EnumerateObject().ToDictionary(alpha => alpha.Name, alpha => alpha.Value.GetDouble());
            Dictionary<string, ConvertedModule> modules = [];
            foreach ((string name, (DType _, TensorShape shape, double[] down)) in tensors)
            {
                (string ending, string other) = name.EndsWith(".lora_A.weight", StringComparison.Ordinal) ? (".lora_A.weight", ".lora_B.weight") : (".down.weight", ".up.weight");
                if (!name.EndsWith(ending, StringComparison.Ordinal)) continue;
                string stem = name[..^ending.Length];
                string module = ModuleOf(stem);
                double alpha = left.Remove(name + ".alpha", out double ofTensor) ? ofTensor : left.Remove(module + ".alpha", out double ofModule) ? ofModule : shape[0];
                modules.Add(module, new(down, tensors[stem + other].Values, (int)shape[0], alpha));
            }

            Assert.Empty(left);
            return modules;
        }

        /// <summary>
        /// The same update. Where diffusers multiplied alpha into its factors it rounded them to F16: |a'b' − ab| ≤ |b'|·e + |a'|·f + e·f for each product of one, e and f being half of
        /// the last place of a' and b'; a factor that was multiplied by a power of two, as all of these were, is exact unless it fell below F16's normal numbers.
        /// </summary>
        public void AssertIs(LowRankDelta update)
        {
            double[] down = update.Down.ToDoubles(), up = update.Up.ToDoubles();
            int rows = Up.Length / Rank, columns = Down.Length / Rank, rank = (int)update.Rank;
            Assert.Equal((rows, columns), ((int)update.OutFeatures, (int)update.InFeatures));
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    double theirs = 0, ours = 0, most = 0, magnitude = 0;
                    for (int k = 0; k < Rank; k++)
                    {
                        (double a, double b) = (Down[(k * columns) + column], Up[(row * Rank) + k]);
                        theirs += Alpha / Rank * a * b;
                        most += Alpha / Rank * ((Math.Abs(b) * Lost(a)) + (Math.Abs(a) * Lost(b)) + (Lost(a) * Lost(b)));
                        magnitude += Math.Abs(Alpha / Rank * a * b);
                    }

                    for (int k = 0; k < rank; k++) ours += update.Scale * down[(k * columns) + column] * up[(row * rank) + k];
                    // Beside it, what doubles lose over a few terms.
                    if (Math.Abs(ours - theirs) > most + (1e-14 * magnitude)) Assert.Fail($"{update.Target.Module.Path} [{row}, {column}] is {ours:R}; expected {theirs:R} ± {most:R}");
                }
            }
        }

        /// <summary>Half of the last place below F16's normal numbers.</summary>
        private static double Lost(double value) => Math.Abs(value) < Math.ScaleB(1, -14) ? Math.ScaleB(1, -25) : 0;

        private static string ModuleOf(string stem)
        {
            bool isText = stem.StartsWith("text_encoder", StringComparison.Ordinal);
            string module = stem.Replace(".processor.", ".", StringComparison.Ordinal);
            foreach ((string old, string now, string ofText) in Projections)
            {
                if (module.EndsWith('.' + old, StringComparison.Ordinal)) return module[..^old.Length] + (isText ? ofText : now);
            }

            foreach (string ending in (string[])[".lora_linear_layer", ".lora"])
            {
                if (module.EndsWith(ending, StringComparison.Ordinal)) return module[..^ending.Length];
            }

            return module;
        }
    }
}
