using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Layouts;

namespace LoraKit.Formats.Tests.Adapters;

/// <summary>An embedding's factors, which are transposed while they are read: any range of bytes is the transposed matrix's.</summary>
public sealed class TransposedFactorTests
{
    [Theory]
    [InlineData(DType.F32, 3, 5)]
    [InlineData(DType.BF16, 4, 1)]
    [InlineData(DType.F64, 2, 9)]
    [InlineData(DType.F8E4M3, 7, 11)]
    [InlineData(DType.F16, 1, 13)]
    public void Any_range_of_bytes_is_right(DType dtype, int rows, int columns)
    {
        int size = dtype.Bytes();
        byte[] stored = new byte[rows * columns * size];
        new Random(7).NextBytes(stored);
        byte[] expected = new byte[stored.Length];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++) stored.AsSpan(((r * columns) + c) * size, size).CopyTo(expected.AsSpan(((c * rows) + r) * size));
        }

        TensorValue transposed = Transposed(dtype, stored, rows, columns);
        Assert.Equal(new TensorShape(columns, rows), transposed.Shape);
        for (int start = 0; start <= expected.Length; start++)
        {
            for (int length = 0; length <= expected.Length - start; length++)
            {
                byte[] read = new byte[length];
                transposed.ReadBytes(start, read);
                Assert.True(expected.AsSpan(start, length).SequenceEqual(read), $"{length} bytes from {start}");
            }
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => transposed.ReadBytes(1, new byte[expected.Length]));
        Assert.Throws<ArgumentOutOfRangeException>(() => transposed.ReadBytes(-1, new byte[1]));
    }

    [Theory]
    [InlineData(4, 300_000)] // rows longer than one read, and a piece that covers few of the columns
    [InlineData(70_000, 8)] // many short rows
    public void Large_matrices_are_read_in_pieces(int rows, int columns)
    {
        float[] values = [.. Enumerable.Range(0, rows * columns).Select(i => (float)i)];
        byte[] stored = System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values).ToArray();
        float[] read = Transposed(DType.F32, stored, rows, columns).ToSingles();
        for (int i = 0; i < read.Length; i++)
        {
            if (read[i] != values[(i % rows * columns) + (i / rows)]) Assert.Fail($"element {i} is {read[i]}");
        }
    }

    private static TensorValue Transposed(DType dtype, byte[] stored, int rows, int columns)
    {
        MemorySource source = new(
            new MemorySource.Entry("base_model.model.e.lora_embedding_A", dtype, new TensorShape(rows, columns), stored),
            new MemorySource.Entry("base_model.model.e.lora_embedding_B", dtype, new TensorShape(2, rows)));
        AdapterConfig config = new(System.Text.Json.Nodes.JsonNode.Parse($$"""{ "peft_type": "LORA", "r": {{rows}} }""")!.AsObject());
        Adapter adapter = Formats.Layouts.AdapterLayouts.All[0].Read(new("adapter", source, config, "adapter_config.json"));
        return ((LowRankDelta)adapter.Deltas[0]).Up;
    }
}
