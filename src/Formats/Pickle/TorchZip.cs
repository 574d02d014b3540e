using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Zip;

namespace LoraKit.Formats.Pickle;

/// <summary>The files of torch.save since PyTorch 1.6: a zip archive with the pickle data.pkl and one member per storage.</summary>
internal static class TorchZip
{
    private const string Pickle = "/data.pkl";

    public static bool Is(ZipDirectory zip) => zip.Members.Any(IsPickle);

    /// <exception cref="LoraKitException">It is damaged, no file of tensors, or refused.</exception>
    public static TensorContainer Read(ZipDirectory zip)
    {
        OpenFile file = zip.File;
        if (zip.Members.Where(IsPickle).ToArray() is not [var pickle]) throw file.Invalid("is a zip archive with several data.pkl; expected one");
        string root = pickle.Name[..^Pickle.Length];
        Dictionary<string, ZipMember> members = zip.Members.ToDictionary(member => member.Name, StringComparer.Ordinal);
        if (members.ContainsKey($"{root}/constants.pkl")) throw file.Unsupported("is a TorchScript program; expected the state dictionary of an adapter");
        RequireLittleEndian(file, members.GetValueOrDefault($"{root}/byteorder"));
        if (pickle.Bytes.Length > PickleInput.MostBytes) throw file.Invalid($"has a pickle of {pickle.Bytes.Length} bytes; at most {PickleInput.MostBytes} are read");
        object? saved = new PickleReader(new(file, pickle.Bytes), new TorchVocabulary(file)).Read();
        return TorchTensors.Read(file, saved, storage => members.GetValueOrDefault($"{root}/data/{storage.Key}")?.Bytes, zip.Recent);
    }

    // One folder holds all: the archive's name when it was saved.
    private static bool IsPickle(ZipMember member) =>
        member.Name.EndsWith(Pickle, StringComparison.Ordinal) && member.Name.IndexOf('/', StringComparison.Ordinal) == member.Name.Length - Pickle.Length;

    private static void RequireLittleEndian(OpenFile file, ZipMember? order)
    {
        if (order is null) return;
        Span<byte> text = stackalloc byte[(int)Math.Min(order.Bytes.Length, 16)];
        order.Bytes.Read(0, text);
        if (text.SequenceEqual("little"u8)) return;
        throw file.Unsupported(
            $"was saved in the byte order '{Printable.Text(System.Text.Encoding.Latin1.GetString(text))}'; expected little; save it again on a little-endian machine");
    }
}
