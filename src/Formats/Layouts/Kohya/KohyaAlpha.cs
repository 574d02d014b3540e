using System.Globalization;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>The number of an <c>alpha</c> tensor (and of others of one number), whatever type it is in, and the tensor for a number.</summary>
internal static class KohyaAlpha
{
    /// <summary>The value: one finite number.</summary>
    /// <exception cref="InvalidAdapterException">There is not one number, or it is NaN or infinite.</exception>
    public static double Read(ModuleName module, TensorValue tensor, string what = "alpha")
    {
        string where = $"{Printable.Text(tensor.File ?? "")}: module '{Printable.Text(module.Path)}': {what}";
        int size = tensor.DType.Bytes();
        if (tensor.Shape.Sizes.Any(length => length != 1) || size == 0)
        {
            throw new InvalidAdapterException(
                $"{where} is {tensor.DType.FileName()} {tensor.Shape}; expected one number, of shape [] or [1]", tensor.File, tensor.Name);
        }

        Span<byte> bytes = stackalloc byte[sizeof(double)];
        tensor.ReadBytes(0, bytes[..size]);
        double value = RealNumber.Decode(tensor.DType, bytes[..size])
            ?? throw new InvalidAdapterException($"{where} is stored as {tensor.DType.FileName()}; expected a float or a whole number", tensor.File, tensor.Name);
        return double.IsFinite(value)
            ? value
            : throw new InvalidAdapterException(
                $"{where} is {value.ToString(CultureInfo.InvariantCulture)}; expected a finite number", tensor.File, tensor.Name);
    }

    /// <summary>A scalar whose quotient by the rank is the scale: the file's own tensor while it says so, else F32 (F64 beyond its range).</summary>
    /// <param name="update">The module's update.</param>
    /// <param name="rank">The rank that readers divide by.</param>
    /// <param name="scale">The multiplier to be read back.</param>
    /// <param name="isSquared">Whether readers multiply by the quotient twice.</param>
    public static (TensorValue Tensor, double Value) Of(AdapterDelta update, long rank, double scale, bool isSquared)
    {
        if (update.AlphaTensor is { } stated && Read(update.Target.Module, stated) is var own && own != 0 && (isSquared ? own / rank * (own / rank) : own / rank) == scale) return (stated, own);
        return Of(AlphaOfScale.Of(isSquared ? Math.Sqrt(scale) : scale, rank), $"{update.Target.Module}.{KohyaKey.Alpha}");
    }

    /// <summary>Why no alpha has such a scale, as the end of a sentence; null where one does.</summary>
    public static string? Limit(double scale, long rank, bool isSquared = false) =>
        isSquared && scale < 0 ? $"has scale {scale}, and alpha / rank is applied twice under LyCORIS' names"
        : !double.IsFinite((isSquared ? Math.Sqrt(scale) : scale) * rank) ? "has an alpha beyond double precision"
        : null;

    /// <summary>The tensor of a number.</summary>
    public static (TensorValue Tensor, double Value) Of(double alpha, string name)
    {
        // Half a unit in the last place of F32 is less than what any reader computes with; but 0 would mean the rank.
        return float.IsNormal((float)alpha)
            ? (new MemoryTensor(name, new TensorShape(), [(float)alpha]), (float)alpha)
            : (new MemoryTensor(name, new TensorShape(), [alpha]), alpha);
    }
}
