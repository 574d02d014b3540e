namespace LoraKit.Tests;

/// <summary>Whole files of torch.save, both forms, around a pickle written by hand.</summary>
internal static class TorchBytes
{
    public static byte[] Zip(byte[] pickle, params (string Key, byte[] Bytes)[] storages) => new ZipBytes
    {
        Stored("pickle/data.pkl", pickle), Stored("pickle/byteorder", "little"u8.ToArray()),
        storages.Select(s => Stored($"pickle/data/{s.Key}", s.Bytes)), Stored("pickle/version", "3\n"u8.ToArray()),
    }.ToArray();

    public static byte[] Legacy(byte[] pickle, params (string Key, int ElementBytes, byte[] Bytes)[] storages) => PickleBytes.Join(
    [
        [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.'],
        PickleBytes.Of(PickleBytes.Int(1001)),
        PickleBytes.Of(PickleBytes.Dict(("protocol_version", PickleBytes.Int(1001)), ("little_endian", PickleBytes.True))),
        pickle,
        PickleBytes.Of(PickleBytes.List([.. storages.Select(s => PickleBytes.Text(s.Key))])),
        .. storages.SelectMany(s => new[] { BitConverter.GetBytes((long)s.Bytes.Length / s.ElementBytes), s.Bytes }),
    ]);

    private static ZipPart Stored(string name, byte[] bytes) => new(name, bytes);
}
