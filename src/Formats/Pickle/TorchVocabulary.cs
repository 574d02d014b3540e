using LoraKit.Formats.Containers;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Pickle;

/// <summary>What torch.save's pickles mention: tensors, parameters, storages, element types, sizes, devices.</summary>
internal sealed class TorchVocabulary(OpenFile file) : IPickleVocabulary
{
    private const string Untyped = "UntypedStorage";

    public PickleGlobal? Find(string name)
    {
        if (Function(name) is { } call) return new(name, call);
        int dot = name.LastIndexOf('.');
        string module = name[..dot];
        string last = name[(dot + 1)..];
        if (module is "torch" or "torch.cuda" or "torch.storage" && StorageOf(last) is { } dtype) return new(name, Value: new StorageType(dtype));
        if (module == "torch" && ElementOf(last) is { } element) return new(name, Value: element);
        if (module == "torch" && (last.StartsWith("complex", StringComparison.Ordinal) || last.StartsWith("Complex", StringComparison.Ordinal) || IsQuantized(last)))
            throw file.Unsupported($"holds tensors of {name}, which are not read; convert them to real numbers where they were made");
        return null;
    }

    public object? Persistent(object? id)
    {
        if (id is not object?[] { Length: 5 or 6 } parts || parts[0] is not "storage" || parts[1] is not PickleGlobal { Value: StorageType type }
            || parts[2] is not string key || parts[4] is not long elements || elements < 0)
        {
            return null;
        }

        return parts.Length == 5 || parts[5] is null
            ? new TorchStorage(key, type.DType, elements)
            : parts[5] is object?[] and [string, long and >= 0 and var first, long and >= 0 and var count]
                ? new TorchStorage(key, type.DType, count, first)
                : null;
    }

    private static Func<object?[], object?>? Function(string name) => name switch
    {
        "torch._utils._rebuild_tensor" => a => a is [_, _, _, _] ? Tensor(a, null) : null,
        "torch._utils._rebuild_tensor_v2" => a => a.Length is 6 or 7 ? Tensor(a, null) : null,
        "torch._utils._rebuild_tensor_v3" => a => a.Length is 7 or 8 && a[6] is PickleGlobal { Value: DType dtype } ? Tensor(a, dtype) : null,
        "torch._utils._rebuild_parameter" => a => a is [TorchTensor tensor, _, _] ? tensor : null,
        "torch._utils._rebuild_parameter_with_state" => a => a is [TorchTensor tensor, _, _, _] ? tensor : null,
        "torch.Size" => a => a is [object?[] sizes] ? sizes : null,
        "torch.device" => a => a is [string device, ..] ? device : null,
        _ => null,
    };

    private static TorchTensor? Tensor(object?[] arguments, DType? dtype) =>
        arguments[0] is TorchStorage storage && arguments[1] is long first && Longs(arguments[2]) is { } sizes && Longs(arguments[3]) is { } strides
            ? new(storage, dtype ?? storage.DType, first, sizes, strides)
            : null;

    private static long[]? Longs(object? value) =>
        value is object?[] items && items.All(item => item is long) ? [.. items.Cast<long>()] : null;

    private static DType? StorageOf(string name) => name switch
    {
        "DoubleStorage" => DType.F64,
        "FloatStorage" => DType.F32,
        "HalfStorage" => DType.F16,
        "BFloat16Storage" => DType.BF16,
        "LongStorage" => DType.I64,
        "IntStorage" => DType.I32,
        "ShortStorage" => DType.I16,
        "CharStorage" => DType.I8,
        "ByteStorage" or Untyped or "_" + Untyped => DType.U8,
        "BoolStorage" => DType.Bool,
        _ => null,
    };

    private static DType? ElementOf(string name) => name switch
    {
        "float64" => DType.F64,
        "float32" => DType.F32,
        "float16" => DType.F16,
        "bfloat16" => DType.BF16,
        "float8_e4m3fn" => DType.F8E4M3,
        "float8_e5m2" => DType.F8E5M2,
        "float8_e4m3fnuz" => DType.F8E4M3Fnuz,
        "float8_e5m2fnuz" => DType.F8E5M2Fnuz,
        "float8_e8m0fnu" => DType.F8E8M0,
        "int64" => DType.I64,
        "int32" => DType.I32,
        "int16" => DType.I16,
        "int8" => DType.I8,
        "uint64" => DType.U64,
        "uint32" => DType.U32,
        "uint16" => DType.U16,
        "uint8" => DType.U8,
        "bool" => DType.Bool,
        _ => null,
    };

    private static bool IsQuantized(string name) =>
        name is "QInt8Storage" or "QUInt8Storage" or "QInt32Storage" or "QUInt4x2Storage" or "QUInt2x4Storage" or "qint8" or "quint8" or "qint32";

    private sealed record StorageType(DType DType);
}
