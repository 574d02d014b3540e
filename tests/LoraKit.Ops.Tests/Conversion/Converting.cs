using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Conversion;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>Runs conversions for tests, and tells from merges what they did.</summary>
internal static class Converting
{
    public static ConvertOptions Options(string adapter, string output) => new() { Adapter = new(adapter), Output = new(output) { Flush = false } };

    public static ConvertReport Run(ConvertOptions options, ICompute? compute = null)
    {
        using ConvertPlan plan = ConvertPlan.Create(options);
        return plan.Run(compute ?? new SimdCompute());
    }

    /// <summary>What a merge makes of an adapter, tensor by tensor.</summary>
    public static IReadOnlyDictionary<string, (DType DType, TensorShape Shape, double[] Values)> Merged(TempFolder folder, string @base, string adapter)
    {
        string output = folder[$"merged-{Guid.NewGuid():N}.safetensors"];
        Merging.Run(Merging.Options(@base, adapter, output));
        return SafetensorsBytes.Read(output);
    }

    /// <summary>A LoHa adapter of PEFT's, and ΔW of each module by the definition.</summary>
    public static Dictionary<string, double[]> WriteLoha(string folder, double alpha, int rank, params (string Module, int Rows, int Columns)[] modules)
    {
        Random random = new(3);
        PeftFolder adapter = new(folder, rank, alpha);
        adapter.Config["peft_type"] = "LOHA";
        adapter.Config["alpha"] = alpha;
        adapter.Config["rank_dropout"] = 0.1;
        adapter.Config["base_model_name_or_path"] = "some/model";
        adapter.Config["target_modules"] = new System.Text.Json.Nodes.JsonArray([.. modules.Select(m => (System.Text.Json.Nodes.JsonNode)m.Module)]);
        Dictionary<string, double[]> updates = [];
        foreach ((string module, int rows, int columns) in modules)
        {
            double[][] products = new double[2][];
            for (int i = 0; i < 2; i++)
            {
                double[] up = PeftFolder.Values(random, rows * rank, DType.F32), down = PeftFolder.Values(random, rank * columns, DType.F32);
                adapter.Add($"base_model.model.{module}.hada_w{i + 1}_a", DType.F32, [rows, rank], up);
                adapter.Add($"base_model.model.{module}.hada_w{i + 1}_b", DType.F32, [rank, columns], down);
                products[i] = Oracle.AddProduct(new double[rows * columns], up, down, rows, columns, rank).Values;
            }

            updates.Add(module, [.. products[0].Zip(products[1], (x, y) => alpha / rank * x * y)]);
        }

        adapter.Save();
        return updates;
    }
}
