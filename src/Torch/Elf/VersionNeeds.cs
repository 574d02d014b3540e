using System.Buffers.Binary;

namespace LoraKit.Torch.Elf;

/// <summary>
/// The symbol versions that an ELF library needs of others (its <c>.gnu.version_r</c>, found by DT_VERNEED as the dynamic linker finds it).
/// </summary>
internal static class VersionNeeds
{
    /// <summary>VER_FLG_WEAK: the dynamic linker goes on where the version is missing.</summary>
    private const ushort Weak = 2;

    private const int EntrySize = 16;
    private const uint DynamicSegment = 2;

    /// <summary>Version indexes have 15 bits: more entries than that are hostile.</summary>
    private const int MaxEntries = 1 << 15;

    /// <summary>A copy of a library in which one needed version is weak.</summary>
    /// <param name="library">The file's bytes; they are not changed.</param>
    /// <param name="version">The version's name, as <c>GLIBCXX_3.4.32</c>.</param>
    /// <param name="file">The file's path, for messages.</param>
    /// <returns>The copy; null where no entry of that name is there that is not weak already.</returns>
    /// <exception cref="LoraKit.Formats.InvalidFileException">The file is not a whole 64-bit ELF library.</exception>
    public static byte[]? MakeWeak(ReadOnlySpan<byte> library, ReadOnlySpan<byte> version, string file)
    {
        byte[]? copy = null;
        foreach (ulong entry in Entries(new ElfImage(library, file), version))
        {
            copy ??= library.ToArray();
            Span<byte> flags = copy.AsSpan((int)entry + 4, 2);
            BinaryPrimitives.WriteUInt16LittleEndian(flags, (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(flags) | Weak));
        }

        return copy;
    }

    /// <summary>File offsets of the vernaux entries of one name that are not weak.</summary>
    private static List<ulong> Entries(ElfImage image, ReadOnlySpan<byte> version)
    {
        Dynamic dynamic = Dynamic.Read(image);
        ulong strings = image.OffsetOf(dynamic.Strings);
        ulong stringsEnd = image.Add(strings, dynamic.StringsLength);
        List<ulong> found = [];
        int total = 0;
        ulong need = dynamic.NeedCount > 0 ? image.OffsetOf(dynamic.Needs) : 0;
        for (ulong i = 0; i < dynamic.NeedCount; i++)
        {
            ulong entry = image.Add(need, image.UInt32(need + 8));
            int count = image.UInt16(need + 2);
            if ((total += count) > MaxEntries) throw image.Invalid("it needs more versions than there can be");
            for (int k = 0; k < count; k++)
            {
                ReadOnlySpan<byte> name = image.String(image.Add(strings, image.UInt32(entry + 8)), stringsEnd);
                if (name.SequenceEqual(version) && (image.UInt16(entry + 4) & Weak) == 0) found.Add(entry);
                entry = Next(image, entry, image.UInt32(entry + 12), last: k == count - 1);
            }

            need = Next(image, need, image.UInt32(need + 12), last: i == dynamic.NeedCount - 1);
        }

        return found;
    }

    /// <summary>Chains go forwards by whole entries, so hostile ones end.</summary>
    private static ulong Next(ElfImage image, ulong entry, uint distance, bool last)
    {
        if (!last && distance < EntrySize) throw image.Invalid("its list of needed versions is broken");
        return image.Add(entry, distance);
    }

    private readonly record struct Dynamic(ulong Strings, ulong StringsLength, ulong Needs, ulong NeedCount)
    {
        public static Dynamic Read(ElfImage image)
        {
            (ulong offset, ulong length) = image.Segment(DynamicSegment);
            Dynamic found = default;
            for (ulong at = 0; at + EntrySize <= length; at += EntrySize)
            {
                ulong tag = image.UInt64(image.Add(offset, at));
                ulong value = image.UInt64(image.Add(offset, at + 8));
                if (tag == 0) break;
                found = tag switch
                {
                    5 => found with { Strings = value },
                    10 => found with { StringsLength = value },
                    0x6FFFFFFE => found with { Needs = value },
                    0x6FFFFFFF => found with { NeedCount = value },
                    _ => found,
                };
            }

            return found;
        }
    }
}
