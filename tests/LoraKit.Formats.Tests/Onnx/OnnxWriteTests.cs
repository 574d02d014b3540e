using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Layouts;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Onnx;

/// <summary>ONNX Runtime's adapters as they are written: what comes back, and their bytes by the formats' own rules.</summary>
public sealed class OnnxWriteTests
{
    private const string Module = "model.layers.0.attn.q_proj";

    private static readonly IAdapterLayout Onnx = AdapterLayouts.Named("onnx");

    /// <summary>NumPy has no BF16 and neither has F8: singles hold their values.</summary>
    [Theory]
    [InlineData(DType.F32, DType.F32, DType.F32)]
    [InlineData(DType.F16, DType.F16, DType.F16)]
    [InlineData(DType.F64, DType.F64, DType.F64)]
    [InlineData(DType.BF16, DType.BF16, DType.F32)]
    [InlineData(DType.F8E4M3, DType.F32, DType.F32)]
    public void What_is_written_reads_back_the_same(DType dtype, DType inFlatBuffer, DType inNpz)
    {
        using Adapter adapter = new FactorSample { Container = "npz" }.Tensor(Module + ".lora_A.weight", dtype, 53, 5).Tensor(Module + ".lora_B.weight", dtype, 5, 37)
            .Tensor("lm_head.lora_A.weight", dtype, 3, 1).Tensor("lm_head.lora_B.weight", dtype, 1, 7).Read();
        foreach ((string ending, DType written) in ((string, DType)[])[(".onnx_adapter", inFlatBuffer), (".fb", inFlatBuffer), (".npz", inNpz)])
        {
            using SavedAdapter saved = new(adapter, ending);
            Assert.Equal(adapter.Deltas.Select(delta => delta.Target), saved.Adapter.Deltas.Select(delta => delta.Target));
            foreach ((LowRankDelta one, LowRankDelta two) in adapter.Deltas.Cast<LowRankDelta>().Zip(saved.Adapter.Deltas.Cast<LowRankDelta>()))
            {
                Assert.Equal((written, written, 1.0), (two.Down.DType, two.Up.DType, two.Scale));
                Assert.Equal(one.Down.ToDoubles(), two.Down.ToDoubles());
                Assert.Equal(one.Up.ToDoubles(), two.Up.ToDoubles());
            }
        }
    }

    /// <summary>The graph multiplies by no scale.</summary>
    [Fact]
    public void The_scale_goes_into_B()
    {
        using Adapter sample = new FactorSample { Container = "npz" }.Tensor(Module + ".lora_A.weight", DType.F32, 53, 5).Tensor(Module + ".lora_B.weight", DType.F32, 5, 37).Read();
        LowRankDelta one = (LowRankDelta)sample.Deltas[0];
        Adapter scaled = new("x", "onnx", null) { Deltas = [one.With(one.Down, one.Up, -1.5, -7.5)] };
        Assert.Contains("has scale -1.5", Assert.Throws<UnsupportedException>(() => Onnx.Write(scaled)).Message);
        LowRankDelta folded = (LowRankDelta)Onnx.Fold(scaled).Deltas[0];
        Assert.Equal(one.Up.ToDoubles().Select(value => value * -1.5), folded.Up.ToDoubles());
        Assert.Same(one.Down, folded.Down);
        Assert.Empty(Onnx.Limits(Onnx.Fold(scaled)));
    }

    [Fact]
    public void What_it_has_no_words_for_is_refused()
    {
        LowRankDelta embedding = Delta("model.embed_tokens", 2, 3, 5) is var plain ? new(plain.Target, plain.Down, plain.Up, 1, 2) { IsEmbedding = true } : plain;
        LowRankDelta kernel = new(new(new("conv"), "weight"), new MemoryTensor("a", new(2, 3, 3, 3), new float[54]), new MemoryTensor("b", new(5, 2, 1, 1), new float[10]), 1, 2);
        foreach ((AdapterDelta delta, string expected) in ((AdapterDelta, string)[])
            [(embedding, "is an embedding"), (kernel, "has a kernel"), (Delta("../up", 2, 3, 5), "no name"), (new MagnitudeDelta(Delta("x.y", 2, 3, 5), null, MagnitudeAxis.Output), "DoRA")])
        {
            Assert.Contains(expected, Assert.Throws<UnsupportedException>(() => Onnx.Write(new Adapter("x", "onnx", null) { Deltas = [delta] })).Message);
        }
    }

    /// <summary>As flatbuffers' verifier wants it: every number at a multiple of its size, tables within, texts ended by 0; and the schema's alignment of data at 8.</summary>
    [Fact]
    public void The_flatbuffer_is_aligned()
    {
        using TempFolder folder = new();
        AdapterLayouts.Save(new Adapter("x", "onnx", null) { Deltas = [Delta("a", 3, 5, 7), Delta("model.layers.10.mlp.down_proj", 2, 11, 1)] }, folder["a.onnx_adapter"], new());
        byte[] file = File.ReadAllBytes(folder["a.onnx_adapter"]);
        Assert.Equal("TORT", Encoding.ASCII.GetString(file, 4, 4));
        int root = Follow(0);
        Assert.Equal((1, 0, 0), (Int(Field(root, 0)), Int(Field(root, 1)), Int(Field(root, 2))));
        int vector = Follow(Field(root, 3));
        Assert.Equal(4, Int(vector));
        int end = 0;
        for (int i = 0; i < 4; i++)
        {
            int table = Follow(vector + 4 + (4 * i)), name = Follow(Field(table, 0)), dims = Follow(Field(table, 1)), data = Follow(Field(table, 3));
            Assert.Equal(0, file[name + 4 + Int(name)]);
            Assert.Equal(0, (dims + 4) % 8);
            Assert.Equal((0, 1), ((data + 4) % 8, Int(Field(table, 2))));
            Assert.Equal(2, Int(dims));
            long bytes = 4 * BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(dims + 4)) * BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(dims + 12));
            Assert.Equal(bytes, Int(data));
            Assert.True(data >= end);
            end = data + 4 + Int(data);
        }

        Assert.Equal(file.Length, end);

        int Int(int at)
        {
            Assert.Equal(0, at % 4);
            return BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at));
        }

        int Follow(int at) => at + Int(at);

        int Field(int table, int index)
        {
            int layout = table - Int(table);
            Assert.True(BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(layout)) >= 4 + (2 * (index + 1)));
            int offset = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(layout + 4 + (2 * index)));
            Assert.InRange(offset, 4, BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(layout + 2)) - 4);
            return table + offset;
        }
    }

    /// <summary>Members that any zip program takes, their checks right, and NumPy's header of a multiple of 64 bytes.</summary>
    [Fact]
    public void The_archive_is_as_NumPy_writes_it()
    {
        using TempFolder folder = new();
        AdapterLayouts.Save(new Adapter("x", "onnx", null) { Deltas = [Delta("a", 3, 5, 7), Delta("modèle.b", 2, 11, 1)] }, folder["a.npz"], new());
        using ZipArchive zip = ZipFile.OpenRead(folder["a.npz"]);
        Assert.Equal(["a.lora_A.weight.npy", "a.lora_B.weight.npy", "modèle.b.lora_A.weight.npy", "modèle.b.lora_B.weight.npy"], zip.Entries.Select(entry => entry.FullName));
        foreach (ZipArchiveEntry entry in zip.Entries)
        {
            using MemoryStream content = new();
            using (Stream stream = entry.Open()) stream.CopyTo(content);
            byte[] bytes = content.ToArray();
            Assert.Equal((entry.Length, entry.CompressedLength), (bytes.Length, bytes.Length));
            Assert.Equal(Crc(bytes), entry.Crc32);
            int header = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(8));
            Assert.Equal(0, (header + 10) % 64);
            string sizes = entry.FullName switch
            {
                "a.lora_A.weight.npy" => "(5, 3)",
                "a.lora_B.weight.npy" => "(3, 7)",
                "modèle.b.lora_A.weight.npy" => "(11, 2)",
                _ => "(2, 1)",
            };
            Assert.Equal($"{{'descr': '<f4', 'fortran_order': False, 'shape': {sizes}, }}".PadRight(header - 1) + "\n", Encoding.Latin1.GetString(bytes, 10, header));
        }

        static uint Crc(byte[] bytes)
        {
            uint crc = uint.MaxValue;
            foreach (byte value in bytes)
            {
                crc ^= value;
                for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            }

            return ~crc;
        }
    }

    [Theory]
    [InlineData("two_lora_params.npz")]
    [InlineData("hf-internal-testing/tiny-random-llama-lora/adapter_weights.fb")]
    [InlineData("hf-internal-testing/tiny-random-llama-lora-fp16-dml/adapter_weights.npz")]
    [InlineData("hf-internal-testing/tiny-random-gpt2-fp32-lora/two_lora_params.fb")]
    public void Real_files_come_back(string name)
    {
        Assert.SkipWhen(Paths.RealData is null, "real adapter files are not there");
        using Adapter adapter = AdapterLayouts.Open(Path.Combine(Paths.RealData!, "onnx-lora/microsoft__onnxruntime-genai/test/test_models", name));
        foreach (string ending in (string[])[".onnx_adapter", ".npz"])
        {
            using SavedAdapter saved = new(adapter, ending);
            SavedAdapter.AssertSame(adapter, saved.Adapter);
            using ITensorSource source = TensorFiles.Open(adapter.Path), written = TensorFiles.Open(saved.Path);
            Assert.Equal(SavedAdapter.Tensors(source), SavedAdapter.Tensors(written));
        }
    }

    private static LowRankDelta Delta(string module, int rank, int inputs, int outputs) => new(
        new(new(module), "weight"), new MemoryTensor("a", new(rank, inputs), [.. Enumerable.Range(0, rank * inputs).Select(i => i - 0.5f)]),
        new MemoryTensor("b", new(outputs, rank), [.. Enumerable.Range(0, outputs * rank).Select(i => 0.25f * i)]), 1, rank);
}
