using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>Positions that a file stores: whole numbers of 8 to 64 bits, or F32, as PEFT saves some on Windows.</summary>
internal static class IndexValues
{
    /// <exception cref="InvalidAdapterException">The tensor is of another type.</exception>
    public static void RequireType(ParameterName target, TensorValue indices)
    {
        if (indices.DType is DType.U8 or DType.I16 or DType.I32 or DType.I64 or DType.F32) return;
        throw Refusal(target, indices, $"is stored as {indices.DType.FileName()}; expected U8, I16, I32, I64 or F32");
    }

    /// <summary>Reads some positions.</summary>
    /// <param name="target">What they belong to, for messages.</param>
    /// <param name="indices">The tensor.</param>
    /// <param name="first">The first element.</param>
    /// <param name="limit">All are below it.</param>
    /// <param name="positions">As many as it is long.</param>
    /// <exception cref="InvalidAdapterException">One is no whole number, or is out of range.</exception>
    public static void Read(ParameterName target, TensorValue indices, long first, long limit, Span<int> positions)
    {
        int size = indices.DType.Bytes();
        byte[] bytes = new byte[checked(positions.Length * size)];
        indices.ReadBytes(first * size, bytes);
        for (int i = 0; i < positions.Length; i++)
        {
            ReadOnlySpan<byte> stored = bytes.AsSpan(i * size, size);
            int? position = indices.DType switch
            {
                DType.U8 => Within(stored[0], limit),
                DType.I16 => Within(MemoryMarshal.Read<short>(stored), limit),
                DType.I32 => Within(MemoryMarshal.Read<int>(stored), limit),
                DType.I64 => Within(MemoryMarshal.Read<long>(stored), limit),
                _ => Within(MemoryMarshal.Read<float>(stored), limit),
            };
            positions[i] = position ?? throw Refusal(target, indices, string.Create(CultureInfo.InvariantCulture, $"has no position at element {first + i}; expected a whole number from 0 to {limit - 1}"));
        }
    }

    private static int? Within<T>(T stored, long limit)
        where T : INumber<T> =>
        T.IsInteger(stored) && stored >= T.Zero && stored < T.CreateSaturating(Math.Min(limit, int.MaxValue)) ? int.CreateTruncating(stored) : null;

    private static InvalidAdapterException Refusal(ParameterName target, TensorValue indices, string what) => new(
        $"{(indices.File is { } file ? $"{Printable.Text(file)}: " : "")}module '{Printable.Text(target.Module.Path)}': '{Printable.Text(indices.Name)}' {what}", indices.File, indices.Name);
}
