using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// The down factor of a Tucker (CP) decomposition, mid folded into it when values are asked for: A[o, c, k…] = Σᵢ mid[o, i, k…] · down[i, c],
/// in F64. Only its parts are stored; a layout that has them writes them back.
/// </summary>
internal sealed class TuckerDown : RowTensor
{
    private TuckerDown(TensorValue down, TensorValue mid, TensorShape shape)
        : base(down.Name, shape, [down, mid], () => Fold(down, mid, checked((int)(shape.ElementCount / shape[0] / down.Shape[1])))) => (Down, Mid) = (down, mid);

    /// <summary>The stored down: [i, in] or [i, in, 1…].</summary>
    public TensorValue Down { get; }

    /// <summary>The stored core: [r, i, k…].</summary>
    public TensorValue Mid { get; }

    /// <summary>The factor as it is stored, without the core that may be folded into it.</summary>
    public static TensorValue Stored(TensorValue down) => down is TuckerDown folded ? folded.Down : down;

    /// <summary>The fold of a pair: [r, in, k…].</summary>
    /// <exception cref="InvalidAdapterException">A part has no real values, the shapes do not chain, or the fold is larger than an array.</exception>
    public static TuckerDown Of(ParameterName target, TensorValue down, TensorValue mid)
    {
        AdapterDelta.RequireValues(target, down);
        AdapterDelta.RequireValues(target, mid);
        string where = Where(target, mid);
        (string core, string outer) = ($"{Label(mid)} {mid.Shape}", $"{Label(down)} {down.Shape}");
        bool chain = mid.Shape.Rank >= 3 && (down.Shape.Rank == 2 || down.Shape.Rank == mid.Shape.Rank) && mid.Shape[1] == down.Shape[0];
        if (!chain || down.Shape.AsMatrix().Columns != down.Shape[1])
        {
            throw new InvalidAdapterException(
                $"{where}: {core} and {outer} do not chain; expected a core [r, i, kernel…] and a factor [i, in] or [i, in, 1…]", mid.File, mid.Name);
        }

        TensorShape shape = new([mid.Shape[0], down.Shape[1], .. mid.Shape.Sizes.AsSpan()[2..]]);
        if (RowTensor.Fits(shape.Sizes.AsSpan())) return new TuckerDown(down, mid, shape);
        throw new InvalidAdapterException($"{where}: {core} folded into {outer} has more elements than an array ({Array.MaxLength})", mid.File, mid.Name);
    }

    /// <summary>The other factor beside a core, which is stored turned: [r, out] → [out, r].</summary>
    /// <exception cref="InvalidAdapterException">It is no matrix of real numbers.</exception>
    public static TransposedTensor Turned(ParameterName target, TensorValue factor)
    {
        AdapterDelta.RequireValues(target, factor);
        return factor.Shape.Rank == 2 ? new TransposedTensor(factor) : throw new InvalidAdapterException(
            $"{Where(target, factor)}: '{Printable.Text(factor.Name)}' is {factor.Shape}; expected a matrix [r, out] beside a Tucker core", factor.File, factor.Name);
    }

    private static string Where(ParameterName target, TensorValue part) => $"{Printable.Text(part.File ?? "")}: module '{Printable.Text(target.Module.Path)}'";

    /// <summary>What messages call a part: the end of its name, without the module's.</summary>
    private static string Label(TensorValue part)
    {
        string name = part.Name.EndsWith(".weight", StringComparison.Ordinal) ? part.Name[..^".weight".Length] : part.Name;
        return Printable.Text(name[(name.LastIndexOf('.') + 1)..]);
    }

    private static RowMaker Fold(TensorValue down, TensorValue mid, int kernel)
    {
        double[] factors = down.ToDoubles();
        (int inner, int inputs) = ((int)down.Shape[0], (int)down.Shape[1]);
        double[] core = new double[kernel];
        byte[] bytes = new byte[kernel * mid.DType.Bytes()];
        return (o, row) =>
        {
            row.Clear();
            for (long i = 0; i < inner; i++)
            {
                mid.ReadBytes(((o * inner) + i) * bytes.Length, bytes);
                FloatConvert.ToDoubles(mid.DType, bytes, core);
                for (int c = 0; c < inputs; c++)
                {
                    double factor = factors[(i * inputs) + c];
                    Span<double> sum = row.Slice(c * kernel, kernel);
                    for (int k = 0; k < sum.Length; k++)
                    {
                        sum[k] += core[k] * factor;
                    }
                }
            }
        };
    }
}
