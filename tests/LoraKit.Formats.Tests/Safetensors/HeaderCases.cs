namespace LoraKit.Formats.Tests.Safetensors;

/// <summary>
/// The accept and reject table of spec/containers/safetensors.md as files. The verdicts of reference mode are those that the reference
/// implementation gave for the same bytes.
/// </summary>
internal static class HeaderCases
{
    private const string Tensor = """{"dtype":"F32","shape":[1],"data_offsets":[0,4]}""";
    private const string Twice = "stands twice";
    private const string NotJson = "not valid JSON";
    private const string NotWhole = "whole numbers";
    private const string NotUtf8 = "not valid UTF-8";

    public static IReadOnlyList<HeaderCase> All { get; } =
    [
        .. Framing(), .. Text(), .. Names(), .. Metadata(), .. Fields(), .. Numbers(), .. ExtraFields(), .. Layouts(), .. DTypes(), .. Depths(),
    ];

    private static HeaderCase Accept(string name, string header, long data = 0) => new(name, HeaderCase.FileOf(header, data), null, null);

    private static HeaderCase Reject(string name, string header, string reason, long data = 0) =>
        new(name, HeaderCase.FileOf(header, data), reason, reason);

    private static HeaderCase StrictOnly(string name, string header, string strict, long data = 0) =>
        new(name, HeaderCase.FileOf(header, data), null, strict);

    private static HeaderCase Bytes(string name, byte[] file, string? reason) => new(name, file, reason, reason);

    private static IEnumerable<HeaderCase> Framing() =>
    [
        Accept("smallest file", "{}"),
        Bytes("no bytes", [], "too short"),
        Bytes("seven bytes", new byte[7], "too short"),
        Bytes("length 0", new byte[8], "header is empty"),
        Bytes("length 0 and data", new byte[16], "header is empty"),
        Bytes("length one beyond the file", [3, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}'], "only 2 follow"),
        Bytes("length without header", [2, 0, 0, 0, 0, 0, 0, 0], "only 0 follow"),
        Bytes("length 100 000 000 in a short file", [0x00, 0xE1, 0xF5, 0x05, 0, 0, 0, 0], "only 0 follow"),
        Bytes("length 100 000 001", [0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, 0], "too large"),
        Bytes("length 2^63", [0, 0, 0, 0, 0, 0, 0, 0x80, 0], "too large"),
        Bytes("length 2^64-1", [255, 255, 255, 255, 255, 255, 255, 255, 0], "too large"),
        Reject("trailing byte", $$"""{"a":{{Tensor}}}""", "1 bytes follow", 5),
        Reject("truncated data", $$"""{"a":{{Tensor}}}""", "truncated", 3),
        Reject("no data", $$"""{"a":{{Tensor}}}""", "truncated", 0),
        Reject("data without tensors", "{}", "4 bytes follow", 4),
        Accept("unaligned header", $$"""{"a":{{Tensor}}} """, 4),
    ];

    private static IEnumerable<HeaderCase> Text() =>
    [
        Accept("white space before", $$""" {"a":{{Tensor}}}""", 4),
        Accept("all white space around", " \t\r\n{} \t\r\n"),
        Accept("white space within", """{ "a" : { "dtype" : "F32" , "shape" : [ 1 ] , "data_offsets" : [ 0 , 4 ] } }""", 4),
        Reject("NUL padding", "{}\0\0\0\0\0\0", NotJson),
        Reject("form feed before", "\f{}", NotJson),
        Reject("no-break space before", "\u00A0{}", NotJson),
        Reject("byte order mark", "\uFEFF{}", NotJson),
        Reject("two documents", "{}{}", NotJson),
        Reject("comment", "{/* */}", NotJson),
        Reject("line comment", "{}//", NotJson),
        Reject("trailing comma", $$"""{"a":{{Tensor}},}""", NotJson, 4),
        Reject("trailing comma in shape", """{"a":{"dtype":"F32","shape":[1,],"data_offsets":[0,4]}}""", NotJson, 4),
        Reject("single quotes", "{'a':1}", NotJson),
        Reject("unquoted name", "{a:1}", NotJson),
        Reject("cut off", """{"a":""", NotJson),
        Reject("unclosed object", "{", NotJson),
        Reject("unclosed string", "{\"a", NotJson),
        Reject("white space alone", "    ", NotJson),
        Reject("text", "not json", NotJson),
        Reject("array", "[]", "must be an object"),
        Reject("null", "null", "must be an object"),
        Reject("string", "\"a\"", "must be an object"),
        Reject("number", "0", "must be an object"),
        Bytes("invalid UTF-8 byte in a name", HeaderCase.FileOf([.. "{\""u8, 0xFF, .. "\":{}}"u8]), NotUtf8),
        Bytes("overlong UTF-8", HeaderCase.FileOf([.. "{\""u8, 0xC0, 0x80, .. "\":{}}"u8]), NotUtf8),
        Bytes("surrogate in UTF-8", HeaderCase.FileOf([.. "{\""u8, 0xED, 0xA0, 0x80, .. "\":{}}"u8]), NotUtf8),
        Bytes("beyond U+10FFFF", HeaderCase.FileOf([.. "{\""u8, 0xF4, 0x90, 0x80, 0x80, .. "\":{}}"u8]), NotUtf8),
        Bytes("character cut off at the end", HeaderCase.FileOf([.. "{}"u8, 0xE2, 0x82]), NotUtf8),
        Bytes("continuation byte alone", HeaderCase.FileOf([.. "{}"u8, 0x80]), NotUtf8),
        Bytes("invalid UTF-8 in a skipped string", HeaderCase.FileOf([.. "{\"a\":{\"x\":\""u8, 0xFE, .. "\"}}"u8]), NotUtf8),
    ];

    private static IEnumerable<HeaderCase> Names() =>
    [
        Accept("empty name", $$"""{"":{{Tensor}}}""", 4),
        Accept("path as name", $$"""{"../../x":{{Tensor}}}""", 4),
        Accept("emoji as name", $$"""{"😀":{{Tensor}}}""", 4),
        Accept("escaped emoji as name", $$"""{"\ud83d\ude00":{{Tensor}}}""", 4),
        Accept("every escape in a name", $$"""{"\"\\\/\b\f\n\r\t\u00e9":{{Tensor}}}""", 4),
        Accept("delete character as name", $$"""{"{{'\u007F'}}":{{Tensor}}}""", 4),
        StrictOnly("NUL in a name", $$"""{"a\u0000b":{{Tensor}}}""", "NUL", 4),
        Reject("raw control character in a name", $$"""{"a{{'\u0001'}}":{{Tensor}}}""", NotJson, 4),
        Reject("raw newline in a name", $$"""{"a{{'\n'}}":{{Tensor}}}""", NotJson, 4),
        Reject("unknown escape in a name", $$"""{"\x41":{{Tensor}}}""", NotJson, 4),
        Reject("short escape in a name", $$"""{"\u00":{{Tensor}}}""", NotJson, 4),
        Reject("lone high surrogate in a name", $$"""{"\ud800":{{Tensor}}}""", "lone surrogate", 4),
        Reject("lone low surrogate in a name", $$"""{"\udc00":{{Tensor}}}""", "lone surrogate", 4),
        Reject("two high surrogates in a name", $$"""{"\ud800\ud800":{{Tensor}}}""", "lone surrogate", 4),
        Reject("high surrogate and letter in a name", $$"""{"\ud800n":{{Tensor}}}""", "lone surrogate", 4),
        Reject("high surrogate and newline in a name", $$"""{"\ud800\n":{{Tensor}}}""", "lone surrogate", 4),
        StrictOnly("same name, same range", $$"""{"a":{{Tensor}},"a":{{Tensor}}}""", Twice, 4),
        StrictOnly("same name, spelt with an escape", $$"""{"a":{{Tensor}},"\u0061":{{Tensor}}}""", Twice, 4),
        StrictOnly("same name, the last tiles", $$"""{"a":{"dtype":"F32","shape":[9],"data_offsets":[7,4]},"a":{{Tensor}}}""", Twice, 4),
        new("same name, the last does not tile",
            HeaderCase.FileOf($$$"""{"a":{{{Tensor}}},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8), "gap", Twice),
        Reject("same name, the lost one no tensor", $$"""{"a":5,"a":{{Tensor}}}""", "an object with dtype", 4),
    ];

    private static IEnumerable<HeaderCase> Metadata() =>
    [
        Accept("metadata", """{"__metadata__":{"format":"pt"}}"""),
        Accept("empty metadata", """{"__metadata__":{}}"""),
        Accept("null metadata", """{"__metadata__":null}"""),
        Accept("metadata after tensors", $$$"""{"a":{{{Tensor}}},"__metadata__":{"format":"pt"}}""", 4),
        Accept("metadata named with an escape", """{"\u005f_metadata__":{"a":"b"}}"""),
        Accept("metadata key twice", """{"__metadata__":{"a":"1","a":"2"}}"""),
        Accept("metadata with tensor words", """{"__metadata__":{"dtype":"F32"}}"""),
        Reject("metadata twice", """{"__metadata__":{},"__metadata__":{}}""", "twice"),
        Reject("null metadata twice", """{"__metadata__":null,"__metadata__":null}""", "twice"),
        Reject("metadata twice, once escaped", """{"\u005f_metadata__":{},"__metadata__":{}}""", "twice"),
        Reject("metadata is an array", """{"__metadata__":[]}""", "object of strings"),
        Reject("metadata is a string", """{"__metadata__":""}""", "object of strings"),
        Reject("metadata value is a number", """{"__metadata__":{"a":1}}""", "must be a string"),
        Reject("metadata value is null", """{"__metadata__":{"a":null}}""", "must be a string"),
        Reject("metadata value is an object", """{"__metadata__":{"a":{}}}""", "must be a string"),
        Reject("metadata is a tensor", $$"""{"__metadata__":{{Tensor}}}""", "must be a string", 4),
        Reject("lone surrogate in metadata", """{"__metadata__":{"a":"\ud800"}}""", "lone surrogate"),
    ];

    private static IEnumerable<HeaderCase> Fields() =>
    [
        Accept("fields in another order", """{"a":{"data_offsets":[0,4],"shape":[1],"dtype":"F32"}}""", 4),
        Accept("field names escaped", """{"a":{"d\u0074ype":"F32","sh\u0061pe":[1],"data\u005foffsets":[0,4]}}""", 4),
        Accept("dtype escaped", """{"a":{"dtype":"\u004632","shape":[1],"data_offsets":[0,4]}}""", 4),
        Reject("dtype missing", """{"a":{"shape":[1],"data_offsets":[0,4]}}""", "'dtype' is missing", 4),
        Reject("shape missing", """{"a":{"dtype":"F32","data_offsets":[0,4]}}""", "'shape' is missing", 4),
        Reject("data_offsets missing", """{"a":{"dtype":"F32","shape":[1]}}""", "'data_offsets' is missing", 4),
        Reject("no fields", """{"a":{}}""", "'dtype' is missing"),
        Reject("dtype twice", """{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "'dtype' stands twice", 4),
        Reject("shape twice", """{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}""", "'shape' stands twice", 4),
        Reject("data_offsets twice", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}""", "'data_offsets' stands twice", 4),
        Reject("dtype twice, once escaped", """{"a":{"dtype":"F32","d\u0074ype":"F32","shape":[1],"data_offsets":[0,4]}}""", "'dtype' stands twice", 4),
        Reject("field name in capitals", """{"a":{"DType":"F32","shape":[1],"data_offsets":[0,4]}}""", "'dtype' is missing", 4),
        Reject("dtype in small letters", """{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}""", "none of the 22", 4),
        Reject("unknown dtype", """{"a":{"dtype":"C128","shape":[1],"data_offsets":[0,16]}}""", "none of the 22", 16),
        Reject("empty dtype", """{"a":{"dtype":"","shape":[1],"data_offsets":[0,4]}}""", "none of the 22", 4),
        Reject("dtype with a space", """{"a":{"dtype":"F32 ","shape":[1],"data_offsets":[0,4]}}""", "none of the 22", 4),
        Reject("dtype too long to be one", $$$"""{"a":{"dtype":"{{{new string('F', 300)}}}","shape":[1],"data_offsets":[0,4]}}""", "none of the 22", 4),
        Reject("dtype is a number", """{"a":{"dtype":17,"shape":[1],"data_offsets":[0,4]}}""", "'dtype' must be a string", 4),
        Reject("dtype is null", """{"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}""", "'dtype' must be a string", 4),
        StrictOnly("dtype in long form", """{"a":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}""", "'dtype' must be a string", 4),
        Reject("dtype in long form with an object", """{"a":{"dtype":{"F32":{}},"shape":[1],"data_offsets":[0,4]}}""", "'dtype'", 4),
        Reject("dtype in long form, two keys", """{"a":{"dtype":{"F32":null,"F32":null},"shape":[1],"data_offsets":[0,4]}}""", "'dtype'", 4),
        Reject("dtype is an empty object", """{"a":{"dtype":{},"shape":[1],"data_offsets":[0,4]}}""", "'dtype' must be a string", 4),
        Reject("shape is null", """{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}""", "'shape' must be an array", 4),
        Reject("shape is a number", """{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", "'shape' must be an array", 4),
        Reject("shape is a string", """{"a":{"dtype":"F32","shape":"","data_offsets":[0,4]}}""", "'shape' must be an array", 4),
        Reject("shape is an object", """{"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}}""", "'shape' must be an array", 4),
        Reject("shape holds an array", """{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}""", NotWhole, 4),
        Reject("shape holds null", """{"a":{"dtype":"F32","shape":[null],"data_offsets":[0,4]}}""", NotWhole, 4),
        Reject("no offsets", """{"a":{"dtype":"F32","shape":[0],"data_offsets":[]}}""", NotWhole),
        Reject("one offset", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", NotWhole, 4),
        Reject("three offsets", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", "exactly 2", 4),
        Reject("data_offsets is an object", """{"a":{"dtype":"F32","shape":[1],"data_offsets":{"0":0,"1":4}}}""", "'data_offsets' must be an array", 4),
        Reject("tensor is null", """{"a":null}""", "an object with dtype"),
        Reject("tensor is a number", """{"a":1}""", "an object with dtype"),
        Reject("tensor is a string", """{"a":"F32"}""", "an object with dtype"),
        Reject("tensor is true", """{"a":true}""", "an object with dtype"),
        StrictOnly("tensor in array form", """{"a":["F32",[1],[0,4]]}""", "an object with dtype", 4),
        StrictOnly("tensor in array form, dtype in long form", """{"a":[{"F32":null},[1],[0,4]]}""", "an object with dtype", 4),
        new("array form of 4", HeaderCase.FileOf("""{"a":["F32",[1],[0,4],5]}""", 4), "exactly 3", "an object with dtype"),
        new("array form of 2", HeaderCase.FileOf("""{"a":["F32",[1]]}""", 4), "'data_offsets' must be an array", "an object with dtype"),
        new("array form of 0", HeaderCase.FileOf("""{"a":[]}""", 4), "'dtype' must be a string", "an object with dtype"),
        new("array form in another order", HeaderCase.FileOf("""{"a":[[1],"F32",[0,4]]}""", 4), "'dtype' must be a string", "an object with dtype"),
    ];

    private static IEnumerable<HeaderCase> Numbers() =>
    [
        .. new[] { "1.0", "1e0", "-1", "-0", "\"1\"", "18446744073709551616", "true" }.Select(number =>
            Reject($"size {number}", $$$"""{"a":{"dtype":"F32","shape":[{{{number}}}],"data_offsets":[0,4]}}""", NotWhole, 4)),
        .. new[] { "+1", "01", ".1", "1.", "0x1", "1_0", "NaN", "Infinity", "1e", "-" }.Select(number =>
            Reject($"size {number}", $$$"""{"a":{"dtype":"F32","shape":[{{{number}}}],"data_offsets":[0,4]}}""", NotJson, 4)),
        .. new[] { "0.0", "0e0", "-0", "\"0\"" }.Select(number =>
            Reject($"offset {number}", $$$"""{"a":{"dtype":"F32","shape":[1],"data_offsets":[{{{number}}},4]}}""", NotWhole, 4)),
        Reject("offset 4e0", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4e0]}}""", NotWhole, 4),
        Reject("offset 4.0", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4.0]}}""", NotWhole, 4),
        Reject("offset 2^64", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}}""", NotWhole, 4),
        Reject("offset 2^64-1", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}}""", "hold 18446744073709551615 bytes", 4),
    ];

    private static IEnumerable<HeaderCase> ExtraFields()
    {
        static string With(string value) => $$$"""{"a":{"dtype":"F32","x":{{{value}}},"shape":[1],"data_offsets":[0,4]}}""";
        string[] accepted =
        [
            "null", "true", "-0.5e-3", "18446744073709551616", "0e400", "1e-400", "0e99999999999", "1e-99999999999", new string('1', 300),
            "1" + new string('0', 400) + "e-400", "1.7976931348623157e308", "\"\\ud83d\\ude00\"", "{\"a\":1,\"a\":2}", "[[],{},\"\"]", "{\"dtype\":5}",
        ];
        (string Value, string Reason)[] refused =
        [
            ("1e400", "out of range"), ("-1e400", "out of range"), ("1.8e308", "out of range"), ("1e99999999999", "out of range"),
            (new string('1', 400), "out of range"), ("\"\\ud800\"", "lone surrogate"), ("{\"\\udc00\":1}", "lone surrogate"),
            ("[\"\\ud800\\\"\"]", "lone surrogate"), ("\"\\x\"", NotJson), ("01", NotJson), ("nul", NotJson), ("[1,]", NotJson), ("\"\u0001\"", NotJson),
        ];
        return
        [
            .. accepted.Select((value, i) => Accept($"extra field {i}: {(value.Length < 40 ? value : "long number")}", With(value), 4)),
            .. refused.Select((pair, i) => Reject($"broken extra field {i}", With(pair.Value), pair.Reason, 4)),
        ];
    }

    private static IEnumerable<HeaderCase> Layouts()
    {
        static string Two(string a, string b) =>
            $$$"""{"a":{"dtype":"U8","shape":[4],"data_offsets":[{{{a}}}]},"b":{"dtype":"U8","shape":[4],"data_offsets":[{{{b}}}]}}""";
        static string Shape(string shape, string offsets = "0,0", string dtype = "F32") =>
            $$$"""{"a":{"dtype":"{{{dtype}}}","shape":[{{{shape}}}],"data_offsets":[{{{offsets}}}]}}""";
        static string WithEmpty(string offsets) =>
            $$$"""{"e":{"dtype":"F32","shape":[0],"data_offsets":[{{{offsets}}}]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""";
        return
        [
            Accept("two tensors", Two("0,4", "4,8"), 8),
            Accept("two tensors, the text in another order", Two("4,8", "0,4"), 8),
            Reject("gap between", Two("0,4", "5,9"), "gap", 9),
            Reject("gap before the first", Two("1,5", "5,9"), "gap", 9),
            Reject("overlap", Two("0,4", "3,7"), "overlap", 7),
            Reject("same range under two names", Two("0,4", "0,4"), "overlap", 4),
            Reject("reversed offsets", Shape("1", "4,0"), "before they begin", 4),
            Reject("reversed offsets where the begin fits", Two("0,4", "4,0"), "before they begin", 4),
            Reject("range shorter than the shape", Shape("2", "0,4"), "needs 8", 4),
            Reject("range longer than the shape", Shape("1", "0,8"), "needs 4", 8),
            Reject("range at the end of 64 bits", Shape("1", "18446744073709551612,18446744073709551615"), "gap", 4),
            Accept("scalar", Shape("", "0,4"), 4),
            Accept("empty tensor first", WithEmpty("0,0"), 8),
            Accept("empty tensor between", WithEmpty("4,4"), 8),
            Accept("empty tensor last", WithEmpty("8,8"), 8),
            Reject("empty tensor within another", WithEmpty("2,2"), "overlap", 8),
            Reject("empty tensor beyond the end", WithEmpty("9,9"), "gap", 8),
            Accept("empty of two dimensions", Shape("2,0")),
            Reject("empty with a range", Shape("0", "0,4"), "needs 0", 4),
            Accept("rank 1000", Shape(string.Join(',', Enumerable.Repeat('1', 1000)), "0,4"), 4),
            Accept("zero before an overflow", Shape("0,4294967296,4294967296")),
            Reject("overflow before a zero", Shape("4294967296,4294967296,0"), "overflows"),
            Reject("shape overflows", Shape("4294967296,4294967296"), "overflows"),
            Reject("shape that would wrap to 4", Shape("4194305,4194305,211106198978564", "0,16"), "overflows", 16),
            Reject("bits overflow", Shape("4611686018427387904"), "overflows"),
            Reject("bits of F4 overflow", Shape("4611686018427387904", dtype: "F4"), "overflows"),
            StrictOnly("zero before 2^64-1", Shape("0,18446744073709551615"), "above 9223372036854775807"),
            StrictOnly("2^64-1 before zero", Shape("18446744073709551615,0"), "above 9223372036854775807"),
            new("2^64-1 and 2 before zero", HeaderCase.FileOf(Shape("18446744073709551615,2,0")), "overflows", "above 9223372036854775807"),
            Accept("2^63-1 and 2 before zero", Shape("9223372036854775807,2,0")),
            Accept("F4, even count", Shape("2,3", "0,3", "F4"), 3),
            Reject("F4, odd count", Shape("3", "0,2", "F4"), "no whole number of bytes", 2),
            Reject("F4, one", Shape("", "0,1", "F4"), "no whole number of bytes", 1),
            Accept("F6_E2M3, multiple of four", Shape("4", "0,3", "F6_E2M3"), 3),
            Accept("F6_E3M2, multiple of four", Shape("2,4", "0,6", "F6_E3M2"), 6),
            Reject("F6_E2M3, two", Shape("2", "0,2", "F6_E2M3"), "no whole number of bytes", 2),
            Reject("F6_E3M2, six", Shape("6", "0,4", "F6_E3M2"), "no whole number of bytes", 4),
            Accept("unaligned tensor", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}}""", 9),
            Reject("ten tensors on one range", TenOnOneRange(), "overlap", 16),
        ];
    }

    private static string TenOnOneRange() =>
        "{" + string.Join(',', Enumerable.Range(0, 10).Select(i => $"\"t{i}\":" + """{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}""")) + "}";

    private static IEnumerable<HeaderCase> DTypes()
    {
        (string Name, int Bits)[] all =
        [
            ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8), ("F8_E4M3", 8), ("F8_E8M0", 8),
            ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16), ("I32", 32), ("U32", 32), ("F32", 32),
            ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
        ];
        return all.Select(type =>
            Accept($"dtype {type.Name}", $$$"""{"a":{"dtype":"{{{type.Name}}}","shape":[8],"data_offsets":[0,{{{type.Bits}}}]}}""", type.Bits));
    }

    private static IEnumerable<HeaderCase> Depths()
    {
        static string Nested(int depth) =>
            $$$"""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":{{{new string('[', depth)}}}{{{new string(']', depth)}}}}}""";
        return
        [
            Accept("127 levels", Nested(125), 4),
            Reject("128 levels", Nested(126), NotJson, 4),
            Reject("a million levels", Nested(1_000_000), NotJson, 4),
        ];
    }
}
