using System.Buffers.Binary;
using LoraKit.Formats;
using LoraKit.Torch.Elf;

namespace LoraKit.Torch.Tests.Elf;

public class VersionNeedsTests
{
    private static readonly byte[] Marker = "GLIBCXX_3.4.32"u8.ToArray();

    [Fact]
    public void One_flag_of_the_real_library_changes()
    {
        byte[] library = File.ReadAllBytes(Natives.LinuxTorchSharpLibrary);
        byte[] before = [.. library];

        byte[] mended = VersionNeeds.MakeWeak(library, Marker, "real")!;

        Assert.Equal(before, library);
        int[] changed = [.. Enumerable.Range(0, library.Length).Where(i => library[i] != mended[i])];
        int at = Assert.Single(changed);
        Assert.Equal(0, library[at]);
        Assert.Equal(2, mended[at]);
        // It is the flags of a vernaux whose hash is the ELF hash of the marker.
        Assert.Equal(ElfHash(Marker), BinaryPrimitives.ReadUInt32LittleEndian(mended.AsSpan(at - 4)));
    }

    [Fact]
    public void A_mended_library_needs_no_mending()
    {
        byte[] mended = VersionNeeds.MakeWeak(File.ReadAllBytes(Natives.LinuxTorchSharpLibrary), Marker, "real")!;

        Assert.Null(VersionNeeds.MakeWeak(mended, Marker, "mended"));
        Assert.Null(VersionNeeds.MakeWeak(mended, "GLIBCXX_9.9.9"u8, "mended"));
    }

    [Theory]
    [InlineData("GLIBC_2.2.5", 2)]
    [InlineData("GLIBC_2.34", 1)]
    [InlineData("GLIBC_2.3", 1)]
    public void All_entries_of_a_name_change_and_no_longer_or_shorter_name(string version, int entries)
    {
        byte[] library = new CraftedElf().Bytes;

        byte[] mended = VersionNeeds.MakeWeak(library, System.Text.Encoding.ASCII.GetBytes(version), "crafted")!;

        Assert.Equal(entries, Enumerable.Range(0, library.Length).Count(i => library[i] != mended[i]));
    }

    [Fact]
    public void A_library_cut_anywhere_is_refused_or_mended_but_never_misread()
    {
        byte[] library = new CraftedElf().Bytes;
        for (int length = 0; length < library.Length; length++)
        {
            byte[] cut = library[..length];
            InvalidFileException error = Assert.Throws<InvalidFileException>(() => VersionNeeds.MakeWeak(cut, "GLIBC_2.34"u8, "cut.so"));
            Assert.Contains("cut.so", error.Message);
        }
    }

    [Theory]
    [InlineData(0, 0x00, "no ELF header")]
    [InlineData(4, 0x01, "64-bit")]
    [InlineData(5, 0x02, "64-bit")]
    [InlineData(54, 0x20, "program headers")]
    [InlineData(CraftedElf.ProgramHeadersField + 7, 0xFF, "ends too early")]
    [InlineData(CraftedElf.DynamicType, 0x07, "no segment")]
    [InlineData(CraftedElf.LoadLength, 0x10, "no segment holds")]
    [InlineData(CraftedElf.NeedsValue + 7, 0x7F, "no segment holds")]
    [InlineData(CraftedElf.FirstNeedNext, 0x01, "list of needed versions is broken")]
    [InlineData(CraftedElf.FirstNeedNext + 3, 0x70, "ends too early")]
    [InlineData(CraftedElf.FirstAuxNext, 0x00, "list of needed versions is broken")]
    [InlineData(CraftedElf.FirstAuxName + 3, 0x70, "outside of its string table")]
    [InlineData(CraftedElf.FirstNeedCount + 1, 0xFF, "more versions than there can be")]
    public void A_hostile_field_is_refused(int offset, byte value, string because)
    {
        byte[] library = new CraftedElf().Bytes;
        library[offset] = value;

        InvalidFileException error = Assert.Throws<InvalidFileException>(() => VersionNeeds.MakeWeak(library, "GLIBC_2.34"u8, "hostile.so"));

        Assert.Contains(because, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Random_damage_is_refused_or_mended()
    {
        Random random = new(7);
        byte[] library = new CraftedElf().Bytes;
        for (int round = 0; round < 20_000; round++)
        {
            byte[] damaged = [.. library];
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            Exception? error = Record.Exception(() => VersionNeeds.MakeWeak(damaged, "GLIBC_2.34"u8, "damaged.so"));
            if (error is not null) Assert.IsType<InvalidFileException>(error);
        }
    }

    [Fact]
    public void The_mended_library_is_what_this_process_runs_on_where_the_system_lacks_the_version()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux has symbol versions");
        bool systemHasIt = Natives.SystemCppLibrary is { } system && File.ReadAllBytes(system).AsSpan().IndexOf(Marker) >= 0;
        Assert.SkipWhen(Natives.SystemCppLibrary is null, "the system's C++ library was not found");

        Assert.Equal(!systemHasIt, LibTorchReport.Create(new TorchOptions()).Mended);
    }

    private static uint ElfHash(ReadOnlySpan<byte> name)
    {
        uint hash = 0;
        foreach (byte character in name)
        {
            hash = (hash << 4) + character;
            uint high = hash & 0xF0000000;
            hash = (hash ^ (high >> 24)) & ~high;
        }

        return hash;
    }
}
