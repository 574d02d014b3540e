using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>An adapter that was saved and opened again, with the folder it lies in.</summary>
internal sealed class SavedAdapter : IDisposable
{
    private readonly TempFolder _folder = new();

    /// <param name="adapter">What is written.</param>
    /// <param name="ending">The container of a single file; null for the layout's first.</param>
    public SavedAdapter(Adapter adapter, string? ending = null)
    {
        IAdapterLayout layout = AdapterLayouts.Named(adapter.Layout);
        string file = "out" + (ending ?? layout.Endings[0]);
        AdapterFiles planned = layout.Write(adapter, file);
        Path = _folder[planned.IsSingleFile ? file : "out"];
        Assert.Equal(planned.Bytes, AdapterLayouts.Save(adapter, Path, new()));
        Assert.Equal(planned.Bytes, Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length));
        Adapter = AdapterLayouts.Open(Path);
    }

    public string Path { get; }

    public Adapter Adapter { get; }

    /// <summary>The whole of adapter_config.json.</summary>
    public string Config => File.ReadAllText(System.IO.Path.Combine(Path, "adapter_config.json"));

    public string TensorFile => Directory.Exists(Path) ? Directory.GetFiles(Path, "*.safetensors").Single() : Path;

    /// <summary>Every tensor's name, type, shape and bytes (in hexadecimal), in the order of names.</summary>
    public static IReadOnlyList<(string Name, DType DType, TensorShape Shape, string Bytes)> Tensors(ITensorSource file) =>
    [
        .. file.Tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal).Select(tensor =>
        {
            byte[] bytes = new byte[tensor.ByteLength];
            file.Read(tensor, 0, bytes);
            return (tensor.Name, tensor.DType, tensor.Shape, Convert.ToHexString(bytes));
        }),
    ];

    public IReadOnlyList<(string Name, DType DType, TensorShape Shape, string Bytes)> Tensors()
    {
        using SafetensorsFile file = SafetensorsFile.Open(TensorFile);
        return Tensors(file);
    }

    private static AdapterDelta Inner(AdapterDelta delta) => delta is MagnitudeDelta dora ? dora.Inner : delta;

    /// <summary>The same updates and replacements, bit by bit.</summary>
    public static void AssertSame(Adapter expected, Adapter actual)
    {
        Assert.Equal(Names(expected.Deltas.Select(delta => delta.Target)), Names(actual.Deltas.Select(delta => delta.Target)));
        foreach (AdapterDelta delta in expected.Deltas)
        {
            AdapterDelta other = actual.Deltas.Single(d => d.Target == delta.Target);
            if (delta is DenseDelta dense)
            {
                Assert.Equal((dense.Scale, dense.Values.DType), (((DenseDelta)other).Scale, ((DenseDelta)other).Values.DType));
                Assert.Equal(dense.Values.ToDoubles(), ((DenseDelta)other).Values.ToDoubles());
                continue;
            }

            if (delta is ExpertsDelta stack)
            {
                ExpertsDelta same = (ExpertsDelta)other;
                Assert.Equal((stack.Scale, stack.Rank, stack.Experts, stack.Down.DType, stack.Up.DType), (same.Scale, same.Rank, same.Experts, same.Down.DType, same.Up.DType));
                Assert.Equal(ExpertUpdates.Of(stack), ExpertUpdates.Of(same));
                continue;
            }

            if (delta is MagnitudeDelta dora)
            {
                MagnitudeDelta same = (MagnitudeDelta)other;
                Assert.Equal((dora.Axis, dora.Norm, dora.Epsilon, dora.Magnitude!.DType), (same.Axis, same.Norm, same.Epsilon, same.Magnitude!.DType));
                Assert.Equal(dora.Magnitude.ToDoubles(), same.Magnitude.ToDoubles());
            }

            (LowRankDelta one, LowRankDelta two) = ((LowRankDelta)Inner(delta), (LowRankDelta)Inner(other));
            Assert.Equal((one.Scale, one.Rank, one.IsEmbedding), (two.Scale, two.Rank, two.IsEmbedding));
            Assert.Equal((one.Down.DType, one.Down.Shape, one.Up.DType), (two.Down.DType, two.Down.Shape, two.Up.DType));
            Assert.Equal(one.Down.ToDoubles(), two.Down.ToDoubles());
            Assert.Equal(one.Up.ToDoubles(), two.Up.ToDoubles());
        }

        Assert.Equal(Names(expected.Replacements.Select(r => r.Target)), Names(actual.Replacements.Select(r => r.Target)));
        foreach (Replacement replacement in expected.Replacements)
        {
            Replacement other = actual.Replacements.Single(r => r.Target == replacement.Target && r.Rows is null == replacement.Rows is null);
            Assert.Equal(replacement.Rows, other.Rows);
            Assert.Equal((replacement.Values.DType, replacement.Values.Shape), (other.Values.DType, other.Values.Shape));
            Assert.Equal(replacement.Values.ToDoubles(), other.Values.ToDoubles());
        }
    }

    public void Dispose()
    {
        Adapter.Dispose();
        _folder.Dispose();
    }

    private static IEnumerable<string> Names(IEnumerable<ParameterName> names) => names.Select(name => name.Path).Order(StringComparer.Ordinal);
}
