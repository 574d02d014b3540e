using System.Text.Json.Nodes;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge.PeftKinds;

/// <summary>An adapter of one module <c>m.x</c>, and what its method's definition makes of a weight [out, in·kernel] and of a bias.</summary>
/// <param name="Config">The configuration, with <c>peft_type</c>.</param>
/// <param name="Shape">The weight's, as [out, in, …kernel].</param>
/// <param name="Tensors">The module's, without its name.</param>
/// <param name="Weight">W'.</param>
/// <param name="Bias">b'; null where the method leaves it alone.</param>
/// <param name="Shared">Tensors that belong to no module.</param>
/// <param name="Stores">Whether the base stores the weight as [in, out].</param>
internal sealed record KindCase(
    string Config, long[] Shape, (string Name, long[] Shape, double[] Values)[] Tensors, Func<Naive, Naive> Weight, Func<Naive, Naive>? Bias = null,
    (string Name, DType Type, long[] Shape, double[] Values)[]? Shared = null, bool Stores = false)
{
    /// <summary>Whether a summation in F32 is part of the result: updates of low rank on bases below F64.</summary>
    public bool IsLowRank { get; init; }

    /// <summary>Whole numbers among the module's tensors, by the tensor's name.</summary>
    public (string Name, DType Type, long[] Shape, byte[] Bytes)[] Indices { get; init; } = [];

    public int Outputs => (int)Shape[0];

    public int Inputs => (int)Shape[1..].Aggregate(1L, (a, b) => a * b);

    public string Save(string folder)
    {
        PeftFolder adapter = new(folder, 1, 1);
        foreach ((string key, JsonNode? value) in JsonNode.Parse(Config)!.AsObject())
        {
            adapter.Config[key] = value?.DeepClone();
        }

        foreach ((string name, long[] shape, double[] values) in Tensors) adapter.Add($"base_model.model.m.x.{name}", DType.F64, shape, values);
        foreach ((string name, DType type, long[] shape, double[] values) in Shared ?? []) adapter.Add($"base_model.{name}", type, shape, values);
        foreach ((string name, DType type, long[] shape, byte[] bytes) in Indices) adapter.AddBytes($"base_model.model.m.x.{name}", type, shape, bytes);
        return adapter.Save();
    }
}
