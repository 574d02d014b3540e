using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;
using static LoraKit.Tests.PickleBytes;

namespace LoraKit.Formats.Tests.Zip;

/// <summary>Archives that lie about their members are refused; those that are unusual and true are read.</summary>
public sealed class HostileZipTests
{
    private static readonly byte[] Eight = [1, 2, 3, 4, 5, 6, 7, 8];
    private static readonly ZipPart Pickle = new("x/data.pkl", Of(Dict(("t", Tensor("FloatStorage", "0", 2)))));
    private static readonly ZipPart Data = new("x/data/0", Eight);

    public static TheoryData<string, byte[], string> Bad()
    {
        byte[] zeros = new byte[1 << 20];
        return new()
        {
            { "two of a name", Zip(Pickle, Data, Data), "two members 'x/data/0'" },
            { "no pickle and no array", Zip(Data), "neither data.pkl" },
            { "several pickles", Zip(Pickle, Data, Pickle with { Name = "y/data.pkl" }), "several data.pkl" },
            { "a way out", Zip(Pickle, Data, Data with { Name = "../x" }), "leads out of the folder" },
            { "an absolute name", Zip(Pickle, Data, Data with { Name = "/etc/passwd" }), "is absolute" },
            { "another name before the bytes", Zip(Pickle, Data with { LocalName = "y/data/0" }), "another header" },
            { "another length before the bytes", Zip(Pickle, Data with { LocalLength = 7 }), "other sizes in its header" },
            { "more bytes than there are", Zip(Pickle, Data with { DeclaredLength = 9 }), "two lengths, 8 and 9" },
            { "members in each other", Zip(Pickle, Data, Data with { Name = "x/data/1", LocalName = "x/data/0", DirectoryOffset = (uint)(30 + 10 + Pickle.Bytes.Length) }), "another header" },
            { "an offset behind the directory", Zip(Pickle, Data with { DirectoryOffset = 1 << 30 }), "behind the archive's members" },
            { "an archive cut short", Zip(Pickle, Data)[..^1], "no directory at its end" },
            { "a directory that announces more", With(new ZipBytes { ExtraCount = 1 }), "announces 3" },
            { "a part of several", With(new ZipBytes { Disk = 1 }), "one part of a zip archive" },
            { "two directory records that differ", With(new ZipBytes { Zip64 = 1 }), "contradict each other" },
            { "inflating to less", Zip(Pickle with { Deflate = true, DeclaredLength = (uint)Pickle.Bytes.Length + 1 }, Data), $"inflates to {Pickle.Bytes.Length};" },
            { "inflating to more", Zip(Pickle with { Deflate = true, DeclaredLength = (uint)Pickle.Bytes.Length - 1 }, Data), "inflates to more" },
            { "no deflated data", Zip(Pickle, Data with { Method = 8 }), "makes no sense" },
            { "more than deflate can give", Zip(Pickle, new ZipPart("x/data/0", Eight) { Deflate = true, DeclaredLength = 200_000_000 }), "cannot inflate" },
            { "a bomb", Zip([Pickle, .. Enumerable.Range(0, 500).Select(i => new ZipPart($"x/data/{i}", zeros) { Deflate = true })]), "zip bomb" },
        };
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void An_archive_that_lies_is_refused(string what, byte[] file, string reason)
    {
        Assert.NotEmpty(what);
        Assert.Contains(reason, OpenedTensors.Refusal<InvalidFileException>(file));
    }

    [Theory]
    [InlineData(1, 0, "encrypted")]
    [InlineData(1 << 13, 0, "encrypted")]
    [InlineData(0, 12, "method 12")]
    [InlineData(0, 93, "method 93")]
    public void What_is_not_unpacked_is_named(ushort flags, ushort method, string reason) => Assert.Contains(
        reason, OpenedTensors.Refusal<UnsupportedException>(Zip(Pickle, Data with { Flags = flags, Method = method })));

    [Fact]
    public void Unusual_archives_are_read()
    {
        foreach (byte[] file in (byte[][])
        [
            With(new ZipBytes { Comment = "PK\x05\x06 in a comment, as long as a record is" }),
            With(new ZipBytes { Zip64 = 0 }),
            Zip(Pickle, Data with { Wide = true }),
            Zip(Pickle, Data with { Flags = 8 }),
            Zip(Data, Pickle),
            Zip(Pickle, Data, new ZipPart("x/empty/", [])),
            Zip(Pickle, new ZipPart("x/data/0", Eight) { Deflate = true }),
        ])
        {
            Assert.Equal(Eight, OpenedTensors.Values(file)["t"]);
        }
    }

    [Fact]
    public void Two_entries_for_one_stretch_of_bytes_are_refused()
    {
        // The second entry's header is the first one's data.
        byte[] inner = Zip(new ZipPart("x/data/1", Eight))[..(30 + 8 + 8)];
        uint at = (uint)(30 + 10 + Pickle.Bytes.Length + 30 + 8);
        byte[] file = Zip(Pickle, Data with { Bytes = inner }, new ZipPart("x/data/1", Eight) { DirectoryOffset = at });
        Assert.Contains("overlap", OpenedTensors.Refusal<InvalidFileException>(file));
    }

    private static byte[] Zip(params ZipPart[] parts) => new ZipBytes { parts }.ToArray();

    private static byte[] With(ZipBytes zip)
    {
        zip.Add([Pickle, Data]);
        return zip.ToArray();
    }
}
