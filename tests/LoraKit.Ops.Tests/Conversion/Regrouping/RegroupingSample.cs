using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion.Regrouping;

/// <summary>Random updates, and what they come to by the definition.</summary>
internal sealed class RegroupingSample(int seed)
{
    private readonly Random _random = new(seed);

    public static ParameterName Name(string module) => new(new(module), "weight");

    /// <summary>Values that the type holds exactly.</summary>
    public double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (_random.Next(1, 33) - 16.5) / 8)];

    public TensorValue Tensor(DType type, long[] shape, double[]? values = null)
    {
        TestTensor tensor = new("t", type, shape, values ?? Values((int)shape.Aggregate(1L, (a, b) => a * b)));
        byte[] bytes = tensor.Bytes();
        return new ComputedTensor("t", type, new TensorShape(shape), (start, to) => bytes.AsSpan((int)start, to.Length).CopyTo(to));
    }

    public LowRankDelta Lora(string module, int rows, int columns, int rank, double scale, DType type = DType.F32, TensorValue? down = null, double[]? up = null) => new(
        Name(module), down ?? Tensor(type, [rank, columns]), Tensor(type, [rows, rank], up), scale, scale * rank, WeightOrientation.OutIn);

    /// <summary>B whose columns serve one part each: part i has ranks[i] columns.</summary>
    public double[] BlockDiagonal(int[] parts, int[] ranks)
    {
        double[] up = new double[parts.Sum() * ranks.Sum()];
        for (int part = 0, row = 0, column = 0; part < parts.Length; row += parts[part], column += ranks[part], part++)
        {
            for (int i = 0; i < parts[part]; i++)
            {
                for (int j = 0; j < ranks[part]; j++) up[((row + i) * ranks.Sum()) + column + j] = Values(1)[0];
            }
        }

        return up;
    }

    /// <summary>ΔW as rows, by three loops in F64.</summary>
    public static double[] Update(AdapterDelta delta)
    {
        if (delta is DenseDelta dense) return [.. dense.Values.ToDoubles().Select(value => value * dense.Scale)];
        LowRankDelta lora = (LowRankDelta)delta;
        double[] up = lora.Up.ToDoubles(), down = lora.Down.ToDoubles();
        (int rows, int columns, int rank) = ((int)lora.OutFeatures, (int)lora.InFeatures, (int)lora.Rank);
        return [.. Oracle.AddProduct(new double[rows * columns], up, down, rows, columns, rank).Values.Select(value => value * lora.Scale)];
    }
}
