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
        ulong coins = Mix(column + (row * 0x9E3779B97F4A7C15));
        double remainder = Mix(coins) >> 11;
        return (BitOperations.PopCount(coins) - 32.5 + (remainder * (1.0 / (1L << 53)))) * 0.25;
    }

    /// <summary>The finalizer of SplitMix64.</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
