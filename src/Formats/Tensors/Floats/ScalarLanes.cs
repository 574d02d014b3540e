using System.Runtime.CompilerServices;

namespace LoraKit.Formats.Tensors.Floats;

/// <summary>One single at a time: for machines without wide registers, and for the ends of spans.</summary>
internal readonly unsafe struct ScalarLanes : ILanes<float, uint>
{
    public static int Count => 1;

    public static float Create(float value) => value;

    public static uint Create(uint value) => value;

    public static float Load(float* source) => Unsafe.ReadUnaligned<float>(source);

    public static void Store(float value, float* destination) => Unsafe.WriteUnaligned(destination, value);

    public static uint AsBits(float value) => BitConverter.SingleToUInt32Bits(value);

    public static float AsSingles(uint value) => BitConverter.UInt32BitsToSingle(value);

    public static float Add(float left, float right) => left + right;

    public static float Subtract(float left, float right) => left - right;

    public static float Multiply(float left, float right) => left * right;

    public static float Negate(float value) => -value;

    public static float MultiplyAdd(float left, float right, float addend) => MathF.FusedMultiplyAdd(left, right, addend);

    public static float ConvertToSingles(uint value) => (int)value;

    public static uint Add(uint left, uint right) => left + right;

    public static uint Subtract(uint left, uint right) => left - right;

    public static uint And(uint left, uint right) => left & right;

    public static uint Or(uint left, uint right) => left | right;

    public static uint ShiftLeft(uint value, int count) => value << count;

    public static uint ShiftRight(uint value, int count) => value >> count;

    public static uint Min(uint left, uint right) => (uint)Math.Min((int)left, (int)right);

    public static uint Equal(uint left, uint right) => Mask(left == right);

    public static uint GreaterThan(uint left, uint right) => Mask((int)left > (int)right);

    public static uint GreaterThan(float left, float right) => Mask(left > right);

    public static uint Select(uint mask, uint whenSet, uint whenClear) => (mask & whenSet) | (~mask & whenClear);

    public static bool Any(uint mask) => mask != 0;

    public static uint LoadBytes(byte* source) => *source;

    public static uint LoadWords(byte* source) => Unsafe.ReadUnaligned<ushort>(source);

    public static void StoreBytes(uint value, byte* destination) => *destination = (byte)value;

    public static void StoreWords(uint value, byte* destination) => Unsafe.WriteUnaligned(destination, (ushort)value);

    private static uint Mask(bool condition) => condition ? uint.MaxValue : 0;

    public static uint IsNaN(float value) => Mask(float.IsNaN(value));

    public static uint LoadHighWords(byte* source) => LoadWords(source) << 16;

    public static void StoreHighWords(uint value, byte* destination) => StoreWords(value >> 16, destination);
}
