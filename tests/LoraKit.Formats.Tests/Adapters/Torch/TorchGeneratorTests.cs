using LoraKit.Formats.Adapters.Torch;

namespace LoraKit.Formats.Tests.Adapters.Torch;

/// <summary>What PyTorch's own documentation and countless notebooks show for these seeds.</summary>
public sealed class TorchGeneratorTests
{
    [Fact]
    public void The_bits_are_those_of_the_published_twister()
    {
        // The first outputs of mt19937 for 5489, and the ten thousandth, which C++ prescribes for std::mt19937.
        Mt19937 bits = new(5489);
        Assert.Equal(new uint[] { 3499211612, 581869302, 3890346734 }, new[] { bits.Next(), bits.Next(), bits.Next() });
        for (int i = 3; i < 9999; i++) bits.Next();
        Assert.Equal(4123659995u, bits.Next());
    }

    [Theory]
    [InlineData(0, new float[] { 0.4963f, 0.7682f, 0.0885f, 0.1320f, 0.3074f })]
    [InlineData(42, new float[] { 0.8823f, 0.9150f, 0.3829f, 0.9593f, 0.3904f })]
    public void Uniform_numbers(long seed, float[] expected)
    {
        float[] values = new float[expected.Length];
        new TorchGenerator(seed).Uniform(values);
        Assert.All(values.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 6e-5f));
    }

    [Theory]
    [InlineData(0, new float[] { 1.5410f, -0.2934f, -2.1788f, 0.5684f, -1.0845f, -1.3986f })]
    [InlineData(42, new float[] { 0.3367f, 0.1288f, 0.2345f })]
    [InlineData(0, new float[] { -1.1258f, -1.1524f, -0.2506f, -0.4339f, 0.8487f, 0.6920f, -0.3160f, -2.1152f, 0.3223f, -1.2633f, 0.3500f, 0.3081f, 0.1198f, 1.2377f, 1.1168f, -0.2473f })]
    [InlineData(42, new float[] { 1.9269f, 1.4873f, 0.9007f, -2.1055f, 0.6784f, -1.2345f, -0.0431f, -1.6047f, -0.7521f, 1.6487f, -0.3925f, -1.4036f, -0.7279f, -0.5594f, -0.7688f, 0.7624f })]
    public void Normal_numbers(long seed, float[] expected)
    {
        float[] values = new float[expected.Length];
        new TorchGenerator(seed).Normal(values);
        Assert.All(values.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 6e-5f));
    }

    [Theory]
    // 2357136044 mod 4 = 0, 2546248239 mod 3 = 0, 3071714933 mod 2 = 1: only the last two change places.
    [InlineData(0, new long[] { 0, 1, 3, 2 })]
    [InlineData(42, new long[] { 2, 6, 1, 8, 4, 5, 0, 9, 3, 7 })]
    public void Permutations(long seed, long[] expected) => Assert.Equal(expected, new TorchGenerator(seed).Permutation(expected.Length, expected.Length));

    [Theory]
    [InlineData(7)]
    [InlineData(400)]
    public void The_beginning_of_a_permutation_is_the_same_as_of_all_of_it(int count)
    {
        long[] all = new TorchGenerator(777).Permutation(1000, 1000);
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => (long)i), all.Order());
        Assert.Equal(all[..count], new TorchGenerator(777).Permutation(1000, count));
    }
}
