using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Safetensors;

public sealed class HeaderReadTests
{
    [Fact]
    public void Offsets_count_from_the_start_of_the_file_and_order_is_that_of_the_bytes()
    {
        SafetensorsHeader header = Read(
            """{"b":{"dtype":"F16","shape":[2,3],"data_offsets":[8,20]},"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}""", 20);
        Assert.Equal(
            [
                new TensorInfo("a", DType.I64, new(), header.DataOffset, 8),
                new TensorInfo("b", DType.F16, new(2, 3), header.DataOffset + 8, 12),
            ],
            header.Tensors);
        Assert.True(header.TryGetTensor("b", out TensorInfo? b));
        Assert.Same(header.Tensors[1], b);
        Assert.False(header.TryGetTensor("B", out TensorInfo? none));
        Assert.Null(none);
    }

    [Fact]
    public void Escapes_in_names_and_metadata_are_decoded()
    {
        SafetensorsHeader header = Read(
            """{"__metadata__":{"\u006b":"\ud83d\ude00\n"},"\u00e9\"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1);
        Assert.Equal("é\"", header.Tensors.Single().Name);
        Assert.Equal("😀\n", header.Metadata["k"]);
    }

    [Fact]
    public void Of_equal_metadata_keys_the_last_counts() => Assert.Equal("2", Read("""{"__metadata__":{"a":"1","\u0061":"2"}}""").Metadata["a"]);

    [Fact]
    public void Of_equal_names_reference_mode_keeps_the_last()
    {
        SafetensorsHeader header = Read(
            """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, SafetensorsMode.Reference);
        Assert.Equal(DType.F32, header.Tensors.Single().DType);
        Assert.True(header.TryGetTensor("a", out TensorInfo? tensor));
        Assert.Equal(DType.F32, tensor.DType);
    }

    [Fact]
    public void Sizes_that_no_signed_number_holds_are_cut_in_reference_mode() =>
        Assert.Equal(
            new TensorShape(0, long.MaxValue),
            Read("""{"a":{"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]}}""", 0, SafetensorsMode.Reference).Tensors.Single().Shape);

    [Theory]
    [InlineData("\u001b[31mred", "\\u{001b}[31mred")]
    [InlineData("a\u202Eb", "a\\u{202e}b")]
    [InlineData("a\u0007\r\n", "a\\u{0007}\\u{000d}\\u{000a}")]
    public void Hostile_names_are_escaped_in_the_message_and_whole_in_the_property(string name, string shown)
    {
        string json = $$$"""{"{{{System.Text.Json.JsonEncodedText.Encode(name)}}}":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}}""";
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Read(json, 1));
        Assert.Contains($"tensor '{shown}'", e.Message);
        Assert.Equal(name, e.Tensor);
        Assert.DoesNotContain(e.Message, char.IsControl);
    }

    [Fact]
    public void A_long_name_and_a_long_shape_are_cut_in_the_message()
    {
        string json =
            $$$"""{"{{{new string('n', 100_000)}}}":{"dtype":"U8","shape":[{{{string.Join(',', Enumerable.Repeat('1', 100_000))}}}],"data_offsets":[0,2]}}""";
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Read(json, 2));
        Assert.InRange(e.Message.Length, 100, 1000);
        Assert.Contains("100000 dimensions", e.Message);
    }

    [Fact]
    public void Names_and_strings_longer_than_any_piece_are_read_whole()
    {
        string name = string.Concat(Enumerable.Repeat("ñ😀x", 60_000));
        SafetensorsHeader header = Read(
            $$$"""{"__metadata__":{"k":"{{{name}}}"},"{{{name}}}":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":"{{{name}}}"}}""", 1);
        Assert.Equal(name, header.Tensors.Single().Name);
        Assert.Equal(name, header.Metadata["k"]);
    }

    [Fact]
    public void A_long_run_of_white_space_is_read() => Assert.Empty(Read("{}" + new string(' ', 1_000_000)).Tensors);

    [Fact]
    public void Nothing_is_allocated_for_a_length_that_the_file_does_not_have()
    {
        byte[] file = new byte[64];
        BitConverter.TryWriteBytes(file, SafetensorsHeader.MaxLength);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<InvalidFileException>(() => SafetensorsHeader.Read(new MemoryStream(file), file.Length));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void A_stream_shorter_than_it_was_said_to_be_is_refused()
    {
        byte[] file = HeaderCase.FileOf("""{"__metadata__":{}}""");
        InvalidFileException e = Assert.Throws<InvalidFileException>(
            () => SafetensorsHeader.Read(new MemoryStream(file[..^3]), file.Length));
        Assert.Contains("truncated", e.Message);
        Assert.Throws<InvalidFileException>(() => SafetensorsHeader.Read(new MemoryStream(file[..5]), file.Length));
    }

    [Fact]
    public void Equal_shapes_are_one_instance()
    {
        SafetensorsHeader header = Read(
            """{"a":{"dtype":"U8","shape":[1,2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1,2],"data_offsets":[2,4]}}""", 4);
        Assert.True(header.Tensors[0].Shape.Sizes == header.Tensors[1].Shape.Sizes); // ImmutableArray compares by reference.
    }

    private static SafetensorsHeader Read(string json, long dataLength = 0, SafetensorsMode mode = SafetensorsMode.Strict)
    {
        byte[] file = HeaderCase.FileOf(json, dataLength);
        return SafetensorsHeader.Read(new MemoryStream(file), file.Length, null, mode);
    }
}
