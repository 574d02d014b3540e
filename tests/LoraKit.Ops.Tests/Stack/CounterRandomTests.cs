using LoraKit.Formats.Tensors;
using LoraKit.Ops.Stack;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack;

/// <summary>What is drawn depends on seed, parameter, adapter and element alone.</summary>
public sealed class CounterRandomTests
{
    // SplitMix64 from state 0 begins 0xE220A8397B1DCDAF (its reference implementation); XXH64 of "" under seed 0 is 0xEF46DB3751D8E999.
    [Fact]
    public void The_generator_is_SplitMix64()
    {
        ulong state = Mix(unchecked(0xEF46DB3751D8E999 + 0x9E3779B97F4A7C15));
        Assert.Equal(0xE220A8397B1DCDAFul, Mix(0x9E3779B97F4A7C15));
        CounterRandom random = new(0, "", 0);
        for (long i = 0; i < 5; i++)
        {
            state += 0x9E3779B97F4A7C15;
            Assert.Equal((Mix(state) >> 11) / 9007199254740992.0, random.Uniform(i));
        }

        static ulong Mix(ulong z)
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }

    [Fact]
    public void Seeds_parameters_and_adapters_draw_apart_and_uniformly()
    {
        CounterRandom[] streams = [new(0, "a.weight", 0), new(1, "a.weight", 0), new(0, "b.weight", 0), new(0, "a.weight", 1)];
        const int Draws = 20_000;
        foreach (CounterRandom one in streams)
        {
            // Six standard deviations of the mean, and of the correlation with every other stream.
            Assert.Equal(0.5, Enumerable.Range(0, Draws).Average(i => one.Uniform(i)), 6 * Math.Sqrt(1.0 / 12 / Draws));
            foreach (CounterRandom two in streams)
            {
                double correlation = Enumerable.Range(0, Draws).Average(i => (one.Uniform(i) - 0.5) * (two.Uniform(i) - 0.5)) * 12;
                Assert.Equal(one.Equals(two) ? 1 : 0, correlation, 6 / Math.Sqrt(Draws));
            }
        }
    }

    [Theory]
    [InlineData("dare-ties", 0.5)]
    [InlineData("della", 0.5)]
    [InlineData("ties", 0.5)]
    [InlineData("knots", 0.5)]
    [InlineData("svd", null)]
    public void Threads_change_no_byte_and_seeds_do(string method, double? density)
    {
        using TempFolder temp = new();
        (string, int, int)[] modules = [.. Enumerable.Range(0, 8).Select(i => ($"layers.{i}.q", 20 + i, 30 - i))];
        Stacking.Adapter(temp["a"], 1, 3, 6, DType.F32, modules);
        Stacking.Adapter(temp["b"], 2, 4, 2, DType.F32, modules);
        StackOptions options = Stacking.Options(temp["one"], method, new(temp["a"]), new(temp["b"], -0.5)) with { Density = density, Threads = 1 };
        byte[] one = Bytes(options);
        Assert.Equal(one, Bytes(options with { Output = options.Output with { Path = temp["four"] }, Threads = 4 }));
        if (method is not ("dare-ties" or "della")) return;
        Assert.Equal(one, Bytes(options with { Output = options.Output with { Path = temp["zero"] }, Seed = 0 }));
        Assert.NotEqual(one, Bytes(options with { Output = options.Output with { Path = temp["seven"] }, Seed = 7 }));
    }

    private static byte[] Bytes(StackOptions options)
    {
        Stacking.Run(options);
        return File.ReadAllBytes(Path.Combine(options.Output.Path, "adapter_model.safetensors"));
    }
}
