using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.Pipelines;

/// <summary>A weight of a pipeline by both its namings, in terms of its values alone: what its rows are in each.</summary>
/// <param name="Original">The tensor in the model's own repository.</param>
/// <param name="Diffusers">diffusers' tensors, in the order of the original's rows.</param>
/// <param name="Rows">The rows of each.</param>
/// <param name="Rest">The other sizes.</param>
internal sealed record PipelineWeight(string Original, string[] Diffusers, int[] Rows, long[] Rest)
{
    /// <summary>Whether diffusers has the second half of the rows before the first.</summary>
    public bool IsSwapped { get; init; }

    public int AllRows => Rows.Sum();

    public int Columns => (int)Rest.Aggregate(1L, (a, b) => a * b);

    /// <summary>The tensor by the original's name.</summary>
    public TestTensor AsOriginal(string prefix, DType dtype, double[] values) => new(prefix + Original, dtype, [AllRows, .. Rest], values);

    /// <summary>The tensors by diffusers' names.</summary>
    public IEnumerable<TestTensor> AsDiffusers(string prefix, DType dtype, double[] values)
    {
        double[] ordered = Swap(values);
        int first = 0;
        for (int part = 0; part < Rows.Length; part++)
        {
            yield return new(prefix + Diffusers[part], dtype, [Rows[part], .. Rest], ordered[(first * Columns)..((first + Rows[part]) * Columns)]);
            first += Rows[part];
        }
    }

    /// <summary>The original's values, of diffusers' tensors.</summary>
    public double[] FromDiffusers(Func<string, double[]> read) => Swap([.. Diffusers.SelectMany(read)]);

    private double[] Swap(double[] values) => IsSwapped ? [.. values[(values.Length / 2)..], .. values[..(values.Length / 2)]] : values;
}
