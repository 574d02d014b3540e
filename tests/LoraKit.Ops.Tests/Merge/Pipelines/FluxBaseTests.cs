using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.Pipelines;

/// <summary>FLUX adapters by either naming into bases by either, against W + w·s·B·A with the rows written down here by hand.</summary>
public class FluxBaseTests
{
    private const int Hidden = 6, Context = 7;
    private const double Weight = -0.75;

    private static readonly PipelineWeight[] Weights =
    [
        new("double_blocks.0.img_attn.qkv.weight", ["transformer_blocks.0.attn.to_q.weight", "transformer_blocks.0.attn.to_k.weight", "transformer_blocks.0.attn.to_v.weight"], [5, 5, 5], [Hidden]),
        new("double_blocks.1.txt_attn.qkv.weight",
            ["transformer_blocks.1.attn.add_q_proj.weight", "transformer_blocks.1.attn.add_k_proj.weight", "transformer_blocks.1.attn.add_v_proj.weight"], [37, 37, 37], [53]),
        new("single_blocks.1.linear1.weight",
            ["single_transformer_blocks.1.attn.to_q.weight", "single_transformer_blocks.1.attn.to_k.weight", "single_transformer_blocks.1.attn.to_v.weight", "single_transformer_blocks.1.proj_mlp.weight"],
            [Hidden, Hidden, Hidden, 11], [Hidden]),
        new("single_blocks.0.linear2.weight", ["single_transformer_blocks.0.proj_out.weight"], [Hidden], [17]),
        new("final_layer.adaLN_modulation.1.weight", ["norm_out.linear.weight"], [2 * Hidden], [Hidden]) { IsSwapped = true },
        new("final_layer.linear.weight", ["proj_out.weight"], [Context], [Hidden]),
        new("img_in.weight", ["x_embedder.weight"], [Hidden], [Context]),
    ];

    public static IEnumerable<TheoryDataRow<DType, bool, bool, string>> Cases() =>
        from dtype in (DType[])[DType.F32, DType.BF16, DType.F16]
        from adapter in (bool[])[false, true]
        from @base in (bool[])[false, true]
        from backend in ComputeBackends.Names
        where dtype == DType.F32 || backend == ComputeBackends.Names.First()
        select new TheoryDataRow<DType, bool, bool, string>(dtype, adapter, @base, backend);

    [Theory]
    [MemberData(nameof(Cases))]
    public void EveryNamingIntoEvery(DType dtype, bool adapterIsOriginal, bool baseIsOriginal, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        Random random = new(5);
        double[][] values = [.. Weights.Select(w => PeftFolder.Values(random, w.AllRows * w.Columns, dtype))];
        WriteBase(temp["base.safetensors"], dtype, baseIsOriginal, baseIsOriginal ? "model.diffusion_model." : "", values);
        List<(double[] Update, double[] Magnitudes, int Terms)> updates = WriteAdapter(temp["adapter.safetensors"], adapterIsOriginal, random);
        MergeOptions options = new()
        {
            Base = temp["base.safetensors"],
            Adapters = [new(temp["adapter.safetensors"], Weight)],
            Output = temp["out.safetensors"],
            Flush = false,
            TileBytes = 256,
        };
        Merging.Run(options, compute);
        var merged = SafetensorsBytes.Read(temp["out.safetensors"]);
        for (int i = 0; i < Weights.Length; i++)
        {
            double[] actual = baseIsOriginal ? merged["model.diffusion_model." + Weights[i].Original].Values : Weights[i].FromDiffusers(name => merged[name].Values);
            double[] expected = [.. values[i].Zip(updates[i].Update, (w, u) => w + (Weight * u))];
            double[] magnitudes = [.. values[i].Zip(updates[i].Magnitudes, (w, u) => Math.Abs(w) + u)];
            Merging.AssertClose(expected, magnitudes, actual, dtype, updates[i].Terms + 1);
        }
    }

    /// <summary>The record brings the base back to the byte, whatever the merge did with rows.</summary>
    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void IsTakenBack(bool adapterIsOriginal, bool baseIsOriginal)
    {
        using TempFolder temp = new();
        Random random = new(6);
        WriteBase(temp["base", "model.safetensors"], DType.BF16, baseIsOriginal, "", [.. Weights.Select(w => PeftFolder.Values(random, w.AllRows * w.Columns, DType.BF16))]);
        WriteAdapter(temp["adapter.safetensors"], adapterIsOriginal, random);
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], temp["adapter.safetensors"], temp["out"]) with { TileBytes = 256 });
    }

    private static void WriteBase(string path, DType dtype, bool isOriginal, string prefix, double[][] values) => SafetensorsBytes.Write(
        path, [.. Weights.SelectMany((w, i) => isOriginal ? [w.AsOriginal(prefix, dtype, values[i])] : w.AsDiffusers(prefix, dtype, values[i])), new("vae.conv.weight", dtype, [2], [1, 2])]);

    /// <summary>sd-scripts' file by the original's names, or one of OneTrainer's kind by diffusers', with an adapter of its own rank for each module.</summary>
    /// <returns>ΔW of each weight in the original's order, Σ|terms| at the merge's weight, and how many terms.</returns>
    private static List<(double[] Update, double[] Magnitudes, int Terms)> WriteAdapter(string path, bool isOriginal, Random random)
    {
        List<TestTensor> tensors = [];
        List<(double[], double[], int)> updates = [];
        int rank = 2;
        foreach (PipelineWeight weight in Weights)
        {
            List<double> sums = [], magnitudes = [];
            int terms = 0;
            (string Name, int Rows)[] modules = isOriginal ? [(weight.Original, weight.AllRows)] : [.. weight.Diffusers.Zip(weight.Rows)];
            foreach ((string name, int rows) in modules)
            {
                string module = (isOriginal ? "lora_unet_" : "lora_transformer_") + name[..^".weight".Length].Replace('.', '_');
                rank = (rank % 9) + 2;
                TestTensor down = Merging.Random($"{module}.lora_down.weight", DType.F16, random, rank, weight.Columns), up = Merging.Random($"{module}.lora_up.weight", DType.F16, random, rows, rank);
                tensors.AddRange([down, up, new($"{module}.alpha", DType.F32, [], [3])]);
                (double[] product, double[] sizes) = Oracle.AddProduct(new double[rows * weight.Columns], [.. up.Values.Select(v => v * 3 / rank)], down.Values, rows, weight.Columns, rank);
                sums.AddRange(product);
                magnitudes.AddRange(sizes.Select(size => Math.Abs(Weight) * size));
                terms += rank;
            }

            // What was trained by diffusers' names has their order.
            bool swaps = weight.IsSwapped && !isOriginal;
            updates.Add((swaps ? Swap(sums) : [.. sums], swaps ? Swap(magnitudes) : [.. magnitudes], terms));
        }

        SafetensorsBytes.Write(path, tensors);
        return updates;

        static double[] Swap(List<double> values) => [.. values.Skip(values.Count / 2), .. values.Take(values.Count / 2)];
    }
}
