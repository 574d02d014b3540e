using System.Runtime.CompilerServices;

namespace LoraKit.Formats.Tensors.Floats;

/// <summary>One double at a time.</summary>
internal readonly unsafe struct ScalarDoubleLanes : IDoubleLanes<double>
{
    public static int Count => 1;

    public static double Create(double value) => value;

    public static double Load(double* source) => Unsafe.ReadUnaligned<double>(source);

    public static void Store(double value, double* destination) => Unsafe.WriteUnaligned(destination, value);

    public static double Add(double left, double right) => left + right;

    public static double Negate(double value) => -value;

    public static double MultiplyAdd(double left, double right, double addend) => Math.FusedMultiplyAdd(left, right, addend);

    public static double WithOneNaN(double value) =>
        DoubleBits.WithOneNaN(value);
}
