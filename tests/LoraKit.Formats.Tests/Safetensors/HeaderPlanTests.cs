using System.Text;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Safetensors;

public sealed class HeaderPlanTests
{
    // The order that the reference's writer was seen to use.
    private const string MeasuredOrder =
        "U64 I64 F64 C64 F32 U32 I32 BF16 F16 U16 I16 F8_E5M2FNUZ F8_E4M3FNUZ F8_E8M0 F8_E4M3 F8_E5M2 I8 U8 F6_E3M2 F6_E2M3 F4 BOOL";

    private static readonly TensorShape One = new(1);

    [Fact]
    public void An_empty_file_is_an_object_and_six_spaces() =>
        Assert.Equal([8, 0, 0, 0, 0, 0, 0, 0, .. "{}      "u8], SafetensorsHeader.Plan([], null).ToBytes());

    [Fact]
    public void Two_tensors_and_metadata_are_spelt_as_the_reference_spells_them()
    {
        SafetensorsHeader header = SafetensorsHeader.Plan(
            [("b", DType.F32, new(2, 2)), ("a", DType.I8, new()), ("c", DType.F32, new(0))],
            new Dictionary<string, string> { ["format"] = "pt" });
        Assert.Equal(
            """{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}""" +
            ""","c":{"dtype":"F32","shape":[0],"data_offsets":[16,16]},"a":{"dtype":"I8","shape":[],"data_offsets":[16,17]}}""",
            Json(header).TrimEnd(' '));
        Assert.Equal(0, header.DataOffset % 8);
        Assert.Equal(header.DataOffset + 17, header.FileLength);
    }

    [Fact]
    public void Every_length_is_padded_to_eight_with_spaces()
    {
        for (int length = 0; length < 16; length++)
        {
            SafetensorsHeader header = SafetensorsHeader.Plan([(new string('n', length), DType.U8, One)], null);
            byte[] bytes = header.ToBytes();
            Assert.Equal(header.DataOffset, bytes.Length);
            Assert.Equal(0, bytes.Length % 8);
            string json = Json(header);
            Assert.Equal((json.TrimEnd(' ').Length + 7) / 8 * 8, json.Length);
        }
    }

    [Fact]
    public void Empty_metadata_is_written_and_none_is_not()
    {
        Assert.Equal("""{"__metadata__":{}}""", Json(SafetensorsHeader.Plan([], new Dictionary<string, string>())).TrimEnd());
        Assert.Equal("{}", Json(SafetensorsHeader.Plan([], null)).TrimEnd());
    }

    [Fact]
    public void Element_types_stand_in_the_measured_order() =>
        Assert.Equal(
            MeasuredOrder.Split(' '),
            SafetensorsHeader.Plan(DTypes.All.Select(dtype => (dtype.FileName(), dtype, new TensorShape(4))), null).Tensors.Select(tensor => tensor.Name));

    [Fact]
    public void Names_and_metadata_keys_stand_in_the_order_of_their_UTF8_bytes()
    {
        string[] ordered = ["", " ", "A", "B", "a", "a.", "aa", "b", "\u007F", "é", "\uD7FF", "\uE000", "\uFFFF", "😀", "😀a", "\U0010FFFF"];
        Assert.Equal(ordered, ordered.OrderBy(Encoding.UTF8.GetBytes, Comparer<byte[]>.Create((x, y) => x.AsSpan().SequenceCompareTo(y))));
        IEnumerable<string> mixed = ordered.Reverse();
        SafetensorsHeader header = SafetensorsHeader.Plan(mixed.Select(name => (name, DType.U8, One)), mixed.ToDictionary(name => name));
        Assert.Equal(ordered, header.Tensors.Select(tensor => tensor.Name));
        int[] places = [.. ordered.Skip(1).Select(name => Json(header).IndexOf($"\"{name}\":\"", StringComparison.Ordinal))];
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
    }

    [Theory]
    [InlineData("\"", "\\\"")]
    [InlineData("\\", "\\\\")]
    [InlineData("\b\f\n\r\t", @"\b\f\n\r\t")]
    [InlineData("\u0001\u000B\u001F", @"\u0001\u000b\u001f")]
    [InlineData("<>&'+/", "<>&'+/")]
    [InlineData("\u007F\u00A0\u2028\u2029\uFEFFé😀\uFFFF", "\u007F\u00A0\u2028\u2029\uFEFFé😀\uFFFF")]
    public void Strings_are_escaped_as_the_reference_escapes_them(string text, string escaped)
    {
        SafetensorsHeader header = SafetensorsHeader.Plan([(text, DType.U8, One)], new Dictionary<string, string> { [text] = text });
        Assert.StartsWith($$$"""{"__metadata__":{"{{{escaped}}}":"{{{escaped}}}"},"{{{escaped}}}":{"dtype":"U8",""", Json(header));
    }

    [Fact]
    public void NUL_in_metadata_is_escaped() =>
        Assert.StartsWith(
            """{"__metadata__":{"a":"\u0000"}}""", Json(SafetensorsHeader.Plan([], new Dictionary<string, string> { ["a"] = "\0" })));

    [Fact]
    public void Large_numbers_are_written_whole()
    {
        SafetensorsHeader header = SafetensorsHeader.Plan([("a", DType.F64, new(1L << 55)), ("b", DType.U8, new(5))], null);
        Assert.Contains("\"shape\":[36028797018963968],\"data_offsets\":[0,288230376151711744]", Json(header));
        Assert.Contains("\"data_offsets\":[288230376151711744,288230376151711749]", Json(header));
    }

    [Fact]
    public void A_name_given_twice_is_refused() => Refused("twice", [("a", DType.U8, One), ("a", DType.F32, One)]);

    [Fact]
    public void The_reserved_name_is_refused() => Refused("reserved", [("__metadata__", DType.U8, One)]);

    [Fact]
    public void NUL_in_a_name_is_refused() => Refused("NUL", [("a\0", DType.U8, One)]);

    [Fact]
    public void A_lone_surrogate_is_refused()
    {
        Refused("lone surrogate", [("a\uD800", DType.U8, One)]);
        ArgumentException e = Assert.Throws<ArgumentException>(
            () => SafetensorsHeader.Plan([], new Dictionary<string, string> { ["k"] = "\uDC00" }));
        Assert.Contains("lone surrogate", e.Message);
    }

    [Fact]
    public void A_part_of_a_byte_is_refused() => Refused("no whole number of bytes", [("a", DType.F4, new(3))]);

    [Fact]
    public void A_size_beyond_64_bits_is_refused() => Refused("overflows", [("a", DType.U8, new(1L << 32, 1L << 32))]);

    [Fact]
    public void A_sum_beyond_64_bits_is_refused()
    {
        TensorShape half = new(1L << 60);
        Refused("2^63", [("a", DType.U8, new(1L << 60)), .. Enumerable.Range(0, 7).Select(i => ($"b{i}", DType.U8, half))]);
        Refused("before they begin", Enumerable.Range(0, 9).Select(i => ($"b{i}", DType.U8, new TensorShape((1L << 61) - 1))));
    }

    [Fact]
    public void A_header_above_100_MB_is_refused_and_one_of_100_MB_is_not()
    {
        const int Rest = 52; // {"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} without a name
        Assert.Equal(SafetensorsHeader.MaxLength + 8, SafetensorsHeader.Plan([(new string('a', 100_000_000 - Rest), DType.U8, One)], null).DataOffset);
        Refused("100000008", [(new string('a', 100_000_001 - Rest), DType.U8, One)]);
    }

    [Fact]
    public void Later_changes_to_the_callers_metadata_change_nothing()
    {
        Dictionary<string, string> metadata = new() { ["a"] = "b" };
        SafetensorsHeader header = SafetensorsHeader.Plan([], metadata);
        byte[] before = header.ToBytes();
        metadata["a"] = "something longer that would not fit";
        Assert.Equal(before, header.ToBytes());
    }

    [Fact]
    public void The_header_of_a_file_is_spelt_anew_without_moving_the_data()
    {
        const string Spaced = """ { "b" : { "x" : [1e5] , "shape" : [ 1 ] , "dtype" : "\u0055\u0038" , "data_offsets" : [ 0 , 1 ] } , "__metadata__" : { } } """;
        byte[] file = HeaderCase.FileOf(Spaced, 1);
        SafetensorsHeader read = SafetensorsHeader.Read(new MemoryStream(file), file.Length);
        byte[] anew = read.ToBytes();
        Assert.Equal(read.DataOffset, anew.Length);
        Assert.StartsWith("""{"__metadata__":{},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} """, Encoding.UTF8.GetString(anew.AsSpan(8)));
        SafetensorsHeader again = SafetensorsHeader.Read(new MemoryStream([.. anew, 0]), file.Length);
        Assert.Equal(read.Tensors, again.Tensors);
    }

    [Fact]
    public void A_header_too_short_to_be_spelt_anew_says_so()
    {
        byte[] file = HeaderCase.FileOf("""{"a":["U8",[1],[0,1]]}""", 1);
        SafetensorsHeader read = SafetensorsHeader.Read(new MemoryStream(file), file.Length, null, SafetensorsMode.Reference);
        Assert.Throws<InvalidOperationException>(() => read.ToBytes());
    }

    private static string Json(SafetensorsHeader header) => Encoding.UTF8.GetString(header.ToBytes().AsSpan(8));

    private static void Refused(string reason, IEnumerable<(string, DType, TensorShape)> tensors) =>
        Assert.Contains(reason, Assert.Throws<ArgumentException>(() => SafetensorsHeader.Plan(tensors, null)).Message);
}
