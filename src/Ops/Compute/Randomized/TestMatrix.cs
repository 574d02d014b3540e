using System.Numerics;

namespace LoraKit.Ops.Compute.Randomized;

/// <summary>
/// Random test matrices, each element a function of seed, row and column: 64 fair coins and a uniform remainder added up, which is
/// normal as far as a sketch can tell, and the same bits on every machine.
/// </summary>
internal static class TestMatrix
{
    /// <summary>Columns <paramref name="first"/> … of the endless matrix of this seed.</summary>
    public static PanelMatrix Create(int rows, int columns, int first, ulong seed)
    {
        PanelMatrix matrix = new(rows, columns);
        for (int j = 0; j < columns; j++)
        {
            ulong column = Mix(Mix(seed) + (ulong)(first + j));
            for (int i = 0; i < rows; i++) matrix[i, j] = Element(column, (ulong)i);
        }

        return matrix;
    }

    private static double Element(ulong column, ulong row)
    {
        ulong coins = Mix(column + (row * SplitMix64.Step));
        double remainder = Mix(coins) >> 11;
        return (BitOperations.PopCount(coins) - 32.5 + (remainder * (1.0 / (1L << 53)))) * 0.25;
    }

    private static ulong Mix(ulong value) => SplitMix64.Mix(value + SplitMix64.Step);
}
