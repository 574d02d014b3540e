using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Npz;

/// <summary>What stands before the numbers of a NumPy array, versions 1 to 3: <c>{'descr': '&lt;f4', 'fortran_order': False, 'shape': (3, 64), }</c>.</summary>
/// <param name="DType">The element type.</param>
/// <param name="IsFortran">Whether the first index changes fastest.</param>
/// <param name="Sizes">The sizes, outermost first.</param>
/// <param name="DataStart">Where the numbers begin.</param>
internal sealed record NpyHeader(DType DType, bool IsFortran, IReadOnlyList<long> Sizes, int DataStart)
{
    private const int FixedBytes = 8;
    private const int MostTextBytes = 10_000; // NumPy's own limit

    /// <param name="file">For messages.</param>
    /// <param name="name">The tensor's name.</param>
    /// <param name="bytes">The array with its header.</param>
    /// <exception cref="InvalidFileException">It is no such header.</exception>
    /// <exception cref="UnsupportedException">Its elements are not read: objects, big-endian or complex numbers.</exception>
    public static NpyHeader Read(OpenFile file, string name, IByteRange bytes)
    {
        Span<byte> start = stackalloc byte[FixedBytes];
        if (bytes.Length < FixedBytes + sizeof(uint)) throw file.Invalid($"is {bytes.Length} bytes; expected a NumPy array", name);
        bytes.Read(0, start);
        if (!start.StartsWith<byte>([0x93, .. "NUMPY"u8]) || start[6] is < 1 or > 3) throw file.Invalid("is no NumPy array of version 1, 2 or 3", name);
        byte[] length = new byte[start[6] == 1 ? sizeof(ushort) : sizeof(uint)];
        bytes.Read(FixedBytes, length);
        long textBytes = length.Length == sizeof(ushort) ? BinaryPrimitives.ReadUInt16LittleEndian(length) : BinaryPrimitives.ReadUInt32LittleEndian(length);
        int textStart = FixedBytes + length.Length;
        if (textBytes > MostTextBytes || textBytes > bytes.Length - textStart)
            throw file.Invalid($"has a NumPy header of {textBytes} bytes; expected at most {Math.Min(MostTextBytes, bytes.Length - textStart)}", name);
        byte[] text = new byte[textBytes];
        bytes.Read(textStart, text);
        Fields fields = new(Encoding.Latin1.GetString(text));
        if (!fields.Read()) throw file.Invalid($"has a NumPy header that is not understood: {Printable.Text(fields.Text.Trim())}", name);
        return new(ElementOf(file, name, fields.Descr!), fields.IsFortran!.Value, fields.Sizes!, textStart + (int)textBytes);
    }

    /// <summary>The bytes before the numbers of an array, as NumPy writes them: version 1, filled up with spaces to a multiple of 64.</summary>
    /// <param name="dtype">A type that NumPy has: <see cref="Has"/>.</param>
    /// <param name="shape">Its sizes.</param>
    public static byte[] Bytes(DType dtype, TensorShape shape)
    {
        const int alignment = 64;
        string descr = Elements.First(element => element.Type == dtype).Descr;
        string sizes = string.Concat(shape.Sizes.Select((size, i) => string.Create(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : " ")}{size},")));
        if (shape.Rank > 1) sizes = sizes[..^1];
        string text = $"{{'descr': '{(dtype.Bytes() == 1 ? '|' : '<')}{descr}', 'fortran_order': False, 'shape': ({sizes}), }}";
        int start = FixedBytes + sizeof(ushort), padding = alignment - 1 - ((start + text.Length) % alignment);
        byte[] length = new byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(length, checked((ushort)(text.Length + padding + 1)));
        return [0x93, .. "NUMPY"u8, 1, 0, .. length, .. Encoding.Latin1.GetBytes(text), .. Enumerable.Repeat((byte)' ', padding), (byte)'\n'];
    }

    /// <summary>Whether NumPy has the type.</summary>
    public static bool Has(DType dtype) => Elements.Any(element => element.Type == dtype);

    private static readonly (string Descr, DType Type)[] Elements =
    [
        ("f2", DType.F16), ("f4", DType.F32), ("f8", DType.F64), ("i1", DType.I8), ("i2", DType.I16), ("i4", DType.I32), ("i8", DType.I64),
        ("u1", DType.U8), ("u2", DType.U16), ("u4", DType.U32), ("u8", DType.U64), ("b1", DType.Bool),
    ];

    private static DType ElementOf(OpenFile file, string name, string descr)
    {
        string known = descr.Length == 3 && descr[0] is '<' or '=' || descr.Length == 3 && descr[2] == '1' ? descr[1..] : descr;
        int at = Array.FindIndex(Elements, element => element.Descr == known);
        return at >= 0 ? Elements[at].Type : throw file.Unsupported($"has elements of the NumPy type '{Printable.Text(descr)}', which are not read: {Reason(descr)}", name);
    }

    private static string Reason(string descr) => descr switch
    {
        ['>', ..] => "they are big-endian; save it again after .astype(array.dtype.newbyteorder('<'))",
        [_, 'O', ..] => "an array of objects is a pickle; save numbers",
        [_, 'V', ..] => "they are bytes without a meaning (bfloat16, if ml_dtypes wrote them); save it as float32",
        _ => "expected real numbers, <f2 <f4 <f8, whole ones, or |b1",
    };

    /// <summary>The three entries of the dictionary, in any order, each once.</summary>
    private sealed class Fields(string text)
    {
        private int _at;

        public string Text => text;

        public string? Descr { get; private set; }

        public bool? IsFortran { get; private set; }

        public List<long>? Sizes { get; private set; }

        public bool Read()
        {
            if (!Take('{')) return false;
            while (!Take('}'))
            {
                bool good = Quoted() switch
                {
                    "descr" when Descr is null => Take(':') && (Descr = Quoted()) is not null,
                    "fortran_order" when IsFortran is null => Take(':') && (IsFortran = Truth()) is not null,
                    "shape" when Sizes is null => Take(':') && (Sizes = Tuple()) is not null,
                    _ => false,
                };
                if (!good || !Take(',') && !Ahead('}')) return false;
            }

            return text.AsSpan(_at).IsWhiteSpace() && Descr is not null && IsFortran is not null && Sizes is not null;
        }

        private bool Ahead(char c)
        {
            while (_at < text.Length && text[_at] == ' ')
            {
                _at++;
            }

            return _at < text.Length && text[_at] == c;
        }

        private bool Take(char c)
        {
            bool there = Ahead(c);
            if (there) _at++;
            return there;
        }

        private string? Quoted()
        {
            if (!Ahead('\'') && !Ahead('"')) return null;
            int end = text.IndexOf(text[_at], _at + 1);
            if (end < 0) return null;
            string inside = text[(_at + 1)..end];
            _at = end + 1;
            return inside;
        }

        private bool? Truth() => Word("True") ? true : Word("False") ? false : null;

        private bool Word(string word)
        {
            if (!Ahead(word[0]) || !text.AsSpan(_at).StartsWith(word, StringComparison.Ordinal)) return false;
            _at += word.Length;
            return true;
        }

        private List<long>? Tuple()
        {
            if (!Take('(')) return null;
            List<long> sizes = [];
            while (!Take(')'))
            {
                int start = _at;
                while (_at < text.Length && char.IsAsciiDigit(text[_at]))
                {
                    _at++;
                }

                if (!long.TryParse(text.AsSpan(start, _at - start), NumberStyles.None, CultureInfo.InvariantCulture, out long size)) return null;
                _ = Take('L'); // Python 2 wrote it so.
                sizes.Add(size);
                if (!Take(',') && !Ahead(')')) return null;
                _ = Ahead(')');
            }

            return sizes;
        }
    }
}
