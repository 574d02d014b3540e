using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Stack.PeftSemantics;

/// <summary>
/// A module's factors as PEFT holds them: A [rank, in] and B [out, rank], kernels flattened into <c>in</c>. An embedding's are
/// the canonical ones transposed and swapped: A [rank, vocabulary], B [dimension, rank].
/// </summary>
/// <param name="A">Row-major.</param>
/// <param name="B">Row-major.</param>
/// <param name="Out">Rows of B.</param>
/// <param name="In">Columns of A.</param>
/// <param name="Rank">Rows of A.</param>
/// <param name="Type">The element type that both are stored in.</param>
internal sealed record PeftFactors(float[] A, float[] B, int Out, int In, int Rank, DType Type)
{
    /// <summary>Reads a module's factors, which must be finite. F64 is rounded to F32.</summary>
    /// <exception cref="Formats.NonFiniteException">A value is NaN or infinite.</exception>
    /// <exception cref="Formats.UnsupportedException">A factor has more elements than an array holds.</exception>
    public static PeftFactors Of(LowRankDelta delta)
    {
        float[] down = FiniteValues.Require(delta.Down.ToSingles(), delta.Down);
        float[] up = FiniteValues.Require(delta.Up.ToSingles(), delta.Up);
        (int @out, int @in, int rank) = (checked((int)delta.OutFeatures), checked((int)delta.InFeatures), checked((int)delta.Rank));
        DType type = delta.Down.DType == delta.Up.DType && delta.Down.DType != DType.F64 ? delta.Down.DType : DType.F32;
        return delta.IsEmbedding
            ? new(Transpose(up, @out, rank), Transpose(down, rank, @in), @in, @out, rank, type)
            : new(down, up, @out, @in, rank, type);
    }

    /// <summary>The same module's update with these factors in the canonical form, in their element type.</summary>
    /// <param name="like">The module as one of the adapters has it.</param>
    /// <param name="scale">The multiplier that a reader of the result sees.</param>
    public LowRankDelta ToDelta(LowRankDelta like, double scale)
    {
        (float[] down, float[] up) = like.IsEmbedding ? (Transpose(B, Out, Rank), Transpose(A, Rank, In)) : (A, B);
        return like.With(
            Tensor(like.Down.Name, FactorShapes.Down(like, Rank), down), Tensor(like.Up.Name, FactorShapes.Up(like, Rank), up), scale, Rank);
    }

    private MemoryTensor Tensor(string name, TensorShape shape, float[] values) => new(name, Type, shape, PeftRounding.Encode(values, Type));

    private static float[] Transpose(float[] matrix, int rows, int columns)
    {
        float[] result = new float[matrix.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                result[(j * rows) + i] = matrix[(i * columns) + j];
            }
        }

        return result;
    }
}

/// <summary>One adapter's part of a module.</summary>
/// <param name="Factors">Its factors.</param>
/// <param name="Scale">Its resolved multiplier.</param>
/// <param name="Weight">The weight it was given.</param>
internal sealed record PeftTerm(PeftFactors Factors, double Scale, double Weight);
