using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Tests.Safetensors;

public sealed class HeaderCaseTests
{
    public static TheoryData<string> Names => [.. HeaderCases.All.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Reference_mode_gives_the_references_verdict(string name) =>
        Check(Find(name).File, SafetensorsMode.Reference, Find(name).Reference);

    [Theory]
    [MemberData(nameof(Names))]
    public void Strict_mode_gives_its_verdict(string name) => Check(Find(name).File, SafetensorsMode.Strict, Find(name).Strict);

    // The same verdict whatever pieces the stream hands out.
    [Theory]
    [MemberData(nameof(Names))]
    public void A_stream_of_single_bytes_changes_nothing(string name)
    {
        HeaderCase one = Find(name);
        using DripStream stream = new(one.File);
        if (one.Strict is null) SafetensorsHeader.Read(stream, one.File.Length);
        else Assert.Throws<InvalidFileException>(() => SafetensorsHeader.Read(stream, one.File.Length));
    }

    [Fact]
    public void Strict_mode_accepts_nothing_that_reference_mode_refuses() =>
        Assert.DoesNotContain(HeaderCases.All, one => one.Strict is null && one.Reference is not null);

    private static HeaderCase Find(string name) => HeaderCases.All.Single(one => one.Name == name);

    private static void Check(byte[] file, SafetensorsMode mode, string? reason)
    {
        using MemoryStream stream = new(file);
        if (reason is null)
        {
            SafetensorsHeader header = SafetensorsHeader.Read(stream, file.Length, null, mode);
            Assert.Equal(file.Length, header.FileLength);
            Assert.Equal(header.DataOffset, stream.Position);
            return;
        }

        InvalidFileException e = Assert.Throws<InvalidFileException>(() => SafetensorsHeader.Read(stream, file.Length, "some.safetensors", mode));
        Assert.Contains(reason, e.Message);
        Assert.StartsWith("some.safetensors: ", e.Message);
        Assert.DoesNotContain('\n', e.Message);
        Assert.Equal("some.safetensors", e.File);
    }

    private sealed class DripStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(1, buffer.Length)]);
    }
}
