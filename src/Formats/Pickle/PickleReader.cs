using System.Globalization;
using System.Numerics;
using System.Text;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Pickle;

/// <summary>
/// Reads a pickle without Python: values, plain containers, and the names that a vocabulary knows. Any other name stops it before anything
/// follows from it. Nothing is executed and no type is looked up by name. See spec/containers/pickle.md.
/// </summary>
internal sealed class PickleReader(PickleInput input, IPickleVocabulary vocabulary)
{
    private const int NewestProtocol = 5;
    private const int MostNumberBytes = 64;
    private const int CharactersOfValue = 32;
    private const int FewNumbers = 64;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly PickleStack _stack = new(input);

    /// <summary>
    /// The value: null, bool, long, BigInteger, double, string, byte[], object?[] (a tuple), List (a list or set), <see cref="PickleDict"/>,
    /// <see cref="PickleGlobal"/>, or what the vocabulary makes. A list or dictionary may hold itself.
    /// </summary>
    /// <exception cref="InvalidFileException">It is damaged, too large, or mentions a name that is refused.</exception>
    public object? Read()
    {
        while (true)
        {
            PickleOpcode opcode = (PickleOpcode)input.Byte();
            if (opcode == PickleOpcode.Stop) return _stack.Pop();
            if (!Number(opcode) && !Text(opcode) && !Container(opcode) && !Stack(opcode) && !Object(opcode))
                throw input.Invalid($"has the pickle instruction 0x{(byte)opcode:x2}, which is not read: it is damaged, or no file of torch.save");
        }
    }

    private bool Number(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.None: _stack.Push(null); break;
            case PickleOpcode.NewTrue: _stack.Push(true); break;
            case PickleOpcode.NewFalse: _stack.Push(false); break;
            case PickleOpcode.BinInt: _stack.Push((long)input.Int32()); break;
            case PickleOpcode.BinInt1: _stack.Push((long)input.Byte()); break;
            case PickleOpcode.BinInt2: _stack.Push((long)input.UInt16()); break;
            case PickleOpcode.Long1: _stack.Push(Long(input.Byte())); break;
            case PickleOpcode.Long4: _stack.Push(Long(input.UInt32())); break;
            case PickleOpcode.BinFloat: _stack.Push(input.BigEndianDouble()); break;
            case PickleOpcode.Int: _stack.Push(Decimal(Line())); break;
            case PickleOpcode.Long: _stack.Push(Decimal(Line().TrimEnd('L'))); break;
            case PickleOpcode.Float: _stack.Push(Float(Line())); break;
            default: return false;
        }

        return true;
    }

    private bool Text(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.BinUnicode: _stack.Push(Utf8(input.Bytes(input.UInt32()))); break;
            case PickleOpcode.ShortBinUnicode: _stack.Push(Utf8(input.Bytes(input.Byte()))); break;
            case PickleOpcode.BinUnicode8: _stack.Push(Utf8(input.Bytes(input.UInt64()))); break;
            case PickleOpcode.BinString: _stack.Push(Utf8(input.Bytes(input.UInt32()))); break; // Python 2's texts
            case PickleOpcode.ShortBinString: _stack.Push(Utf8(input.Bytes(input.Byte()))); break;
            case PickleOpcode.BinBytes: _stack.Push(input.Bytes(input.UInt32())); break;
            case PickleOpcode.ShortBinBytes: _stack.Push(input.Bytes(input.Byte())); break;
            case PickleOpcode.BinBytes8 or PickleOpcode.ByteArray8: _stack.Push(input.Bytes(input.UInt64())); break;
            default: return false;
        }

        return true;
    }

    private bool Container(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.EmptyTuple: _stack.Push(Array.Empty<object?>()); break;
            case PickleOpcode.Tuple1: _stack.Push(_stack.PopTuple(1)); break;
            case PickleOpcode.Tuple2: _stack.Push(_stack.PopTuple(2)); break;
            case PickleOpcode.Tuple3: _stack.Push(_stack.PopTuple(3)); break;
            case PickleOpcode.Tuple: _stack.Push(_stack.PopToMark()); break;
            case PickleOpcode.EmptyList or PickleOpcode.EmptySet: _stack.Push(new List<object?>()); break;
            case PickleOpcode.List or PickleOpcode.FrozenSet: _stack.Push(new List<object?>(_stack.PopToMark())); break;
            case PickleOpcode.Append: Add([_stack.Pop()]); break;
            case PickleOpcode.Appends or PickleOpcode.AddItems: Add(_stack.PopToMark()); break;
            case PickleOpcode.EmptyDict: _stack.Push(new PickleDict()); break;
            case PickleOpcode.Dict: _stack.Push(Filled(new PickleDict(), _stack.PopToMark())); break;
            case PickleOpcode.SetItem: SetItems(_stack.PopTuple(2)); break;
            case PickleOpcode.SetItems: SetItems(_stack.PopToMark()); break;
            default: return false;
        }

        return true;
    }

    private bool Stack(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.Mark: _stack.Mark(); break;
            case PickleOpcode.Pop: _stack.Drop(); break;
            case PickleOpcode.PopMark: _stack.PopToMark(); break;
            case PickleOpcode.Dup: _stack.Push(_stack.Top()); break;
            case PickleOpcode.BinPut: _stack.Remember(input.Byte()); break;
            case PickleOpcode.LongBinPut: _stack.Remember(input.UInt32()); break;
            case PickleOpcode.Put: _stack.Remember(Place(Line())); break;
            case PickleOpcode.Memoize: _stack.RememberNext(); break;
            case PickleOpcode.BinGet: _stack.Recall(input.Byte()); break;
            case PickleOpcode.LongBinGet: _stack.Recall(input.UInt32()); break;
            case PickleOpcode.Get: _stack.Recall(Place(Line())); break;
            default: return false;
        }

        return true;
    }

    private bool Object(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.Proto:
                int protocol = input.Byte();
                if (protocol > NewestProtocol) throw input.Invalid($"is a pickle of protocol {protocol}; up to {NewestProtocol} are read");
                break;
            case PickleOpcode.Frame: input.UInt64(); break; // How its writer grouped its writes.
            case PickleOpcode.Global: _stack.Push(Global(Line(), Line())); break;
            case PickleOpcode.StackGlobal:
                string name = _stack.Pop<string>("a name");
                _stack.Push(Global(_stack.Pop<string>("a module's name"), name));
                break;
            case PickleOpcode.Inst: throw Refused($"{Line()}.{Line()}"); // Old classes; torch has none.
            case PickleOpcode.Reduce or PickleOpcode.NewObj: Call(); break;
            case PickleOpcode.Build: Build(); break;
            case PickleOpcode.BinPersId:
                _stack.Push(vocabulary.Persistent(_stack.Pop()) ?? throw input.Invalid("refers to something outside its pickle that is no storage of torch.save"));
                break;
            default: return false;
        }

        return true;
    }

    private PickleGlobal Global(string module, string name)
    {
        string full = $"{module}.{name}";
        return PlainGlobals.Find(full) ?? vocabulary.Find(full) ?? throw Refused(full);
    }

    private InvalidFileException Refused(string name) => input.Invalid(
        $"refused: {Printable.Text(name)}: a pickle may name tensors and plain containers alone, and nothing in it was executed; "
        + "if you trust where it comes from, save its tensors as safetensors where it was made");

    private void Call()
    {
        object?[] arguments = _stack.Pop<object?[]>("a tuple of arguments");
        PickleGlobal called = _stack.Pop<PickleGlobal>("a name to call");
        foreach (object? argument in arguments) _stack.Count(Copied(argument));
        object? result = called.Call?.Invoke(arguments)
            ?? throw input.Invalid($"calls {called.Name} with arguments that torch.save does not write");
        _stack.Push(result);
    }

    /// <summary>What a call makes of an argument: a few bytes of pickle can give it the same long one again and again.</summary>
    private static long Copied(object? argument) => argument switch
    {
        string text => text.Length / CharactersOfValue,
        List<object?> list => list.Count,
        object?[] { Length: > FewNumbers } numbers => numbers.Length,
        _ => 0,
    };

    // A state dictionary carries the versions of its modules as an attribute. Nothing else has attributes.
    private void Build()
    {
        _stack.Pop();
        _stack.Top<PickleDict>("a dictionary to give attributes to");
    }

    private void Add(object?[] items) => _stack.Top<List<object?>>("a list").AddRange(items);

    private void SetItems(object?[] items) => Filled(_stack.Top<PickleDict>("a dictionary"), items);

    private PickleDict Filled(PickleDict dict, object?[] items)
    {
        if (items.Length % 2 != 0) throw input.Invalid("has a dictionary with a key and no value");
        for (int i = 0; i < items.Length; i += 2)
        {
            dict.Set(items[i], items[i + 1]);
        }

        return dict;
    }

    private object Long(uint bytes)
    {
        if (bytes > MostNumberBytes) throw input.Invalid($"holds a number of {bytes} bytes; at most {MostNumberBytes} are read");
        return Narrowed(new BigInteger(input.Bytes(bytes)));
    }

    private object Decimal(string text) => text switch
    {
        "00" => false, // Protocol 1's bools
        "01" => true,
        { Length: <= MostNumberBytes } when BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger number) => Narrowed(number),
        _ => throw input.Invalid($"holds '{Printable.Text(text)}' where a number was expected"),
    };

    private double Float(string text) => double.TryParse(text, CultureInfo.InvariantCulture, out double value)
        ? value
        : throw input.Invalid($"holds '{Printable.Text(text)}' where a number was expected");

    private static object Narrowed(BigInteger number) => number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number;

    private uint Place(string text) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint place)
        ? place
        : throw input.Invalid($"holds '{Printable.Text(text)}' where a place of its memory was expected");

    private string Line() => Utf8(input.Line());

    private string Utf8(byte[] bytes)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw input.Invalid("holds a text that is no UTF-8");
        }
    }
}
