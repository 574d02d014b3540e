namespace LoraKit.Formats.Adapters.Orthogonal;

/// <summary>BOFT's orders of the inputs: within parts of equal length, the half-blocks at even places come first, then those at odd ones.</summary>
internal static class Butterfly
{
    /// <summary>The order P with (P·x)[i] = x[order[i]].</summary>
    /// <param name="length">How many inputs.</param>
    /// <param name="parts">Into how many parts they fall.</param>
    /// <param name="half">Half a block: as long as what is moved at once.</param>
    public static int[] Order(int length, int parts, int half)
    {
        int[] order = new int[length];
        int part = length / parts, places = part / half, evens = (places + 1) / 2;
        for (int i = 0; i < length; i++)
        {
            int place = i % part / half;
            int from = place < evens ? 2 * place : (2 * (place - evens)) + 1;
            order[i] = (i / part * part) + (from * half) + (i % half);
        }

        return order;
    }

    /// <summary>to = P·row.</summary>
    public static void Gather(ReadOnlySpan<double> row, int[] order, Span<double> to)
    {
        for (int i = 0; i < order.Length; i++)
        {
            to[i] = row[order[i]];
        }
    }

    /// <summary>to = Pᵀ·row.</summary>
    public static void Scatter(ReadOnlySpan<double> row, int[] order, Span<double> to)
    {
        for (int i = 0; i < order.Length; i++)
        {
            to[order[i]] = row[i];
        }
    }
}
