using System.Runtime.InteropServices;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// The down factor of a Tucker (CP) decomposition, mid folded into it when values are asked for: A[o, c, k…] = Σᵢ mid[o, i, k…] · down[i, c],
/// in F64. Only its parts are stored; a layout that has them writes them back.
/// </summary>
internal sealed class TuckerDown : TensorValue
{
    private readonly long _inner;
    private readonly int _inputs;
    private readonly int _kernel;

    private TuckerDown(TensorValue down, TensorValue mid, TensorShape shape)
        : base(down.Name, DType.F64, shape)
    {
        (Down, Mid) = (down, mid);
        _inner = down.Shape[0];
        _inputs = (int)down.Shape[1];
        _kernel = (int)(shape.ElementCount / shape[0] / _inputs);
    }

    /// <summary>The stored down: [i, in, 1…].</summary>
    public TensorValue Down { get; }

    /// <summary>The stored core: [r, i, k…].</summary>
    public TensorValue Mid { get; }

    /// <inheritdoc/>
    public override string? File => Down.File;

    /// <summary>The fold of a pair: [r, in, k…].</summary>
    /// <exception cref="InvalidAdapterException">A part has no real values, the shapes do not chain, or the fold is larger than an array.</exception>
    public static TuckerDown Of(ParameterName target, TensorValue down, TensorValue mid)
    {
        AdapterDelta.RequireValues(target, down);
        AdapterDelta.RequireValues(target, mid);
        string where = $"{Printable.Text(mid.File ?? "")}: module '{Printable.Text(target.Module.Path)}'";
        if (mid.Shape.Rank < 3 || down.Shape.Rank != mid.Shape.Rank || mid.Shape[1] != down.Shape[0] || down.Shape.AsMatrix().Columns != down.Shape[1])
        {
            throw new InvalidAdapterException(
                $"{where}: lora_mid {mid.Shape} and lora_down {down.Shape} do not chain; expected mid [r, i, kernel…] and down [i, in, 1…]",
                mid.File, mid.Name);
        }

        TensorShape shape = new([mid.Shape[0], down.Shape[1], .. mid.Shape.Sizes.AsSpan()[2..]]);
        UInt128 elements = 1;
        foreach (long size in shape.Sizes)
        {
            elements *= (UInt128)size;
            if (elements <= (UInt128)Array.MaxLength) continue;
            throw new InvalidAdapterException(
                $"{where}: lora_mid {mid.Shape} folded into lora_down {down.Shape} has more elements than an array ({Array.MaxLength})", mid.File, mid.Name);
        }

        return new TuckerDown(down, mid, shape);
    }

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        double[] down = Down.ToDoubles();
        double[] row = new double[_inputs * _kernel];
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes<double>(row);
        for (long o = start / bytes.Length; o * bytes.Length < start + destination.Length; o++)
        {
            Fold(o, down, row);
            long from = Math.Max(start, o * bytes.Length);
            long to = Math.Min(start + destination.Length, (o + 1) * bytes.Length);
            bytes[(int)(from - (o * bytes.Length))..(int)(to - (o * bytes.Length))].CopyTo(destination[(int)(from - start)..]);
        }
    }

    private void Fold(long o, double[] down, double[] row)
    {
        int size = Mid.DType.Bytes();
        double[] core = new double[_kernel];
        byte[] bytes = new byte[_kernel * size];
        Array.Clear(row);
        for (long i = 0; i < _inner; i++)
        {
            Mid.ReadBytes(((o * _inner) + i) * bytes.Length, bytes);
            FloatConvert.ToDoubles(Mid.DType, bytes, core);
            for (int c = 0; c < _inputs; c++)
            {
                double factor = down[(i * _inputs) + c];
                Span<double> sum = row.AsSpan(c * _kernel, _kernel);
                for (int k = 0; k < sum.Length; k++)
                {
                    sum[k] += core[k] * factor;
                }
            }
        }
    }
}
