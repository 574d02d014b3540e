using System.Buffers.Binary;
using System.Text;

namespace LoraKit.Torch.Tests.Elf;

/// <summary>The smallest library that needs versions: two files, four entries, loaded 0x1000 above its place in the file.</summary>
internal sealed class CraftedElf
{
    public const int ProgramHeadersField = 32;
    public const int LoadLength = 64 + 32;
    public const int DynamicType = 64 + 56;
    public const int NeedsValue = DynamicAt + (2 * 16) + 8;
    public const int FirstNeedCount = NeedsAt + 2;
    public const int FirstNeedNext = NeedsAt + 12;
    public const int FirstAuxName = NeedsAt + 16 + 8;
    public const int FirstAuxNext = NeedsAt + 16 + 12;

    private const int Base = 0x1000;
    private const int DynamicAt = 64 + (2 * 56);
    private const int NeedsAt = DynamicAt + (5 * 16);
    private const int StringsAt = NeedsAt + (2 * 16) + (4 * 16);
    private const string Names = "\0libc.so.6\0libm.so.6\0GLIBC_2.34\0GLIBC_2.2.5\0GLIBC_2.3\0";

    public CraftedElf()
    {
        byte[] bytes = new byte[StringsAt + Names.Length];
        Bytes = bytes;
        new byte[] { 0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(bytes, 0);
        Put64(ProgramHeadersField, 64);
        Put16(54, 56);
        Put16(56, 2);
        Segment(64, type: 1, offset: 0, address: Base, bytes.Length);
        Segment(64 + 56, type: 2, offset: DynamicAt, address: Base + DynamicAt, 5 * 16);
        Dynamic(0, 5, Base + StringsAt);
        Dynamic(1, 10, Names.Length);
        Dynamic(2, 0x6FFFFFFE, Base + NeedsAt);
        Dynamic(3, 0x6FFFFFFF, 2);
        Need(NeedsAt, "libc.so.6", next: 16 * 3, "GLIBC_2.34", "GLIBC_2.2.5");
        Need(NeedsAt + (16 * 3), "libm.so.6", next: 0, "GLIBC_2.3", "GLIBC_2.2.5");
        Encoding.ASCII.GetBytes(Names, bytes.AsSpan(StringsAt));
    }

    public byte[] Bytes { get; }

    private void Segment(int at, uint type, long offset, long address, long length)
    {
        Put32(at, type);
        Put64(at + 8, offset);
        Put64(at + 16, address);
        Put64(at + 32, length);
    }

    private void Dynamic(int index, long tag, long value)
    {
        Put64(DynamicAt + (index * 16), tag);
        Put64(DynamicAt + (index * 16) + 8, value);
    }

    private void Need(int at, string file, uint next, params string[] versions)
    {
        Put16(at, 1);
        Put16(at + 2, (ushort)versions.Length);
        Put32(at + 4, Name(file));
        Put32(at + 8, 16);
        Put32(at + 12, next);
        for (int i = 0; i < versions.Length; i++)
        {
            int entry = at + 16 + (16 * i);
            Put32(entry + 8, Name(versions[i]));
            Put32(entry + 12, i == versions.Length - 1 ? 0u : 16u);
        }
    }

    private static uint Name(string name) => (uint)Names.IndexOf($"\0{name}\0", StringComparison.Ordinal) + 1;

    private void Put16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Bytes.AsSpan(at), value);

    private void Put32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan(at), value);

    private void Put64(int at, long value) => BinaryPrimitives.WriteInt64LittleEndian(Bytes.AsSpan(at), value);
}
