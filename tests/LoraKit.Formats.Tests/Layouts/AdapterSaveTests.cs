using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>An adapter appears whole or not at all, and never in the place of something that is read.</summary>
public sealed class AdapterSaveTests
{
    public static TheoryData<string, string> Layouts() => new() { { "peft", "out" }, { "kohya", "out.safetensors" } };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void What_exists_stays_unless_it_may_be_replaced(string layout, string name)
    {
        using TempFolder folder = new();
        AdapterLayouts.Save(Sample(layout, 1), folder[name], new());
        Assert.Throws<OutputException>(() => AdapterLayouts.Save(Sample(layout, 2), folder[name], new()));
        Assert.Throws<OutputException>(() => AdapterLayouts.CheckOutput(folder[name], AdapterLayouts.Named(layout), layout == "kohya", new()));
        Assert.Equal(1, Scale(folder[name]));
        AdapterLayouts.CheckOutput(folder[name], AdapterLayouts.Named(layout), layout == "kohya", new() { Overwrite = true });
        AdapterLayouts.Save(Sample(layout, 2), folder[name], new() { Overwrite = true });
        Assert.Equal(2, Scale(folder[name]));
        Assert.Equal([folder[name]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void An_input_is_never_replaced(string layout, string name)
    {
        using TempFolder folder = new();
        AdapterLayouts.Save(Sample(layout, 1), folder[name], new());
        AdapterSaveOptions options = new() { Overwrite = true, Inputs = [folder[name]] };
        Assert.Throws<OutputException>(() => AdapterLayouts.Save(Sample(layout, 2), folder[name], options));
        Assert.Throws<OutputException>(() => AdapterLayouts.CheckOutput(folder[name], AdapterLayouts.Named(layout), layout == "kohya", options));
        Assert.Equal(1, Scale(folder[name]));
    }

    [Theory]
    [InlineData("peft", "out.safetensors", "folder")]
    [InlineData("kohya", "out", "something.safetensors")]
    [InlineData("kohya", "out.bin", "something.safetensors")]
    public void The_name_says_whether_it_is_a_file(string layout, string name, string expected)
    {
        using TempFolder folder = new();
        Assert.Contains(expected, Assert.Throws<InvalidOptionException>(() => AdapterLayouts.Save(Sample(layout, 1), folder[name], new())).Message);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Stopped_or_failed_it_leaves_nothing(string layout, string name)
    {
        using TempFolder folder = new();
        using CancellationTokenSource stop = new();
        Assert.Throws<OperationCanceledException>(() => AdapterLayouts.Save(Sample(layout, 1, stop.Cancel), folder[name], new(), stop.Token));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
        Assert.Throws<NonFiniteException>(() => AdapterLayouts.Save(Sample(layout, 1, () => throw new NonFiniteException("x")), folder[name], new()));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Its_size_is_known_before_any_value_is(string layout, string name)
    {
        Adapter adapter = Sample(layout, 0.3, () => throw new InvalidOperationException("values were asked for"));
        long bytes = AdapterLayouts.Named(layout).Write(adapter).Bytes;
        using TempFolder folder = new();
        Assert.Equal(bytes, AdapterLayouts.Save(Sample(layout, 0.3), folder[name], new()));
        Assert.Equal(bytes, Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length));
    }

    private static double Scale(string path)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        return ((LowRankDelta)adapter.Deltas[0]).Scale;
    }

    private static Adapter Sample(string layout, double scale, Action? whenRead = null)
    {
        ComputedTensor down = new("d", DType.BF16, new TensorShape(4, 53), (_, bytes) =>
        {
            whenRead?.Invoke();
            bytes.Clear();
        });
        LowRankDelta update = new(new(new("m_q"), "weight"), down, new MemoryTensor("u", new TensorShape(37, 4), new float[37 * 4]), scale, 0);
        return new Adapter("x", layout, null) { Deltas = [update], Metadata = new Dictionary<string, string> { ["ss_network_dim"] = "4" } };
    }
}
