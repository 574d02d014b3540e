namespace LoraKit.Formats.Adapters.Torch;

/// <summary>
/// PyTorch's generator on the CPU, <c>torch.Generator().manual_seed(seed)</c>, and what is drawn from it: the choices that adapters keep as a
/// seed. Source: ATen (CPUGeneratorImpl, TensorFactories, DistributionTemplates).
/// </summary>
/// <param name="seed">The seed; PyTorch uses its lower 32 bits.</param>
internal sealed class TorchGenerator(long seed)
{
    // From here on torch.randperm draws 64 bits for each place; below it, 32.
    private const long WidePermutation = uint.MaxValue / 20;

    private readonly Mt19937 _bits = new(unchecked((uint)seed));

    /// <summary>The first of <c>torch.randperm(length)</c>, without the rest of it in memory.</summary>
    /// <param name="length">Of how many numbers from 0.</param>
    /// <param name="count">How many are wanted.</param>
    public long[] Permutation(long length, int count)
    {
        long[] first = new long[count];
        if (length < WidePermutation) Exchange(length, first);
        else InsideOut(length, first);
        return first;
    }

    /// <summary><c>torch.rand(count)</c>: 24 bits each.</summary>
    public void Uniform(Span<float> values)
    {
        foreach (ref float value in values)
        {
            value = (_bits.Next() & 0xffffff) * (1f / (1 << 24));
        }
    }

    /// <summary>
    /// <c>torch.randn(count)</c>, by Box and Muller. Fewer than 16 numbers are drawn in doubles, pair by pair; others in blocks of eight pairs,
    /// and the last 16 anew where they are no whole block. The last bits depend on the machine's sines and logarithms, PyTorch's as ours.
    /// </summary>
    public void Normal(Span<float> values)
    {
        if (values.Length < 16)
        {
            Pairs(values);
            return;
        }

        Uniform(values);
        for (int i = 0; i <= values.Length - 16; i += 16)
        {
            Turn(values.Slice(i, 16));
        }

        if (values.Length % 16 == 0) return;
        Uniform(values[^16..]);
        Turn(values[^16..]);
    }

    private void Pairs(Span<float> values)
    {
        for (int i = 0; i < values.Length; i += 2)
        {
            double angle = 2 * Math.PI * Fraction(), radius = Math.Sqrt(-2 * Math.Log(1 - Fraction()));
            values[i] = (float)(radius * Math.Cos(angle));
            if (i + 1 < values.Length) values[i + 1] = (float)(radius * Math.Sin(angle));
        }
    }

    private ulong Wide() => ((ulong)_bits.Next() << 32) | _bits.Next();

    /// <summary>53 bits.</summary>
    private double Fraction() => (Wide() & ((1ul << 53) - 1)) * (1.0 / (1ul << 53));

    private static void Turn(Span<float> block)
    {
        for (int j = 0; j < 8; j++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1f - block[j])), angle = 2 * Math.PI * block[j + 8];
            (block[j], block[j + 8]) = ((float)(radius * Math.Cos(angle)), (float)(radius * Math.Sin(angle)));
        }
    }

    /// <summary>Fisher and Yates: place i is exchanged with one from i on; only places that were touched differ from their number.</summary>
    private void Exchange(long length, long[] first)
    {
        Dictionary<long, long> moved = [];
        for (int i = 0; i < first.Length; i++)
        {
            long other = i < length - 1 ? i + (_bits.Next() % (length - i)) : i;
            long here = moved.GetValueOrDefault(i, i);
            first[i] = moved.GetValueOrDefault(other, other);
            moved[other] = here;
        }
    }

    /// <summary>The same inside out: each new number takes a place among those before it, and what was there moves to the end.</summary>
    private void InsideOut(long length, long[] first)
    {
        for (long i = 0; i < length; i++)
        {
            long place = (long)(Wide() % (ulong)(i + 1));
            if (i < first.Length) first[i] = i;
            if (place >= first.Length) continue;
            if (i < first.Length) first[i] = first[place];
            first[place] = i;
        }
    }
}
