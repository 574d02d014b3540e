using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Zip;

namespace LoraKit.Formats.Npz;

/// <summary>NumPy's archive of arrays: each member NAME.npy is the tensor NAME.</summary>
internal static class NpzFile
{
    /// <summary>What a member's name has behind the array's.</summary>
    public const string Ending = ".npy";

    public static bool Is(ZipDirectory zip) => zip.Members.Any(IsArray);

    /// <exception cref="LoraKitException">A member is no array, damaged, or of elements that are not read.</exception>
    public static TensorContainer Read(ZipDirectory zip)
    {
        TensorPlacement placement = new(zip.File, zip.Recent);
        return new(zip.File, "npz", [.. zip.Members.Select(member => Place(zip.File, member, placement))], new Dictionary<string, string>());
    }

    private static PlacedTensor Place(OpenFile file, ZipMember member, TensorPlacement placement)
    {
        if (!IsArray(member)) throw file.Invalid($"is an .npz archive with the member '{Printable.Text(member.Name)}'; expected arrays ({Ending}) alone");
        string name = member.Name[..^Ending.Length];
        NpyHeader header = NpyHeader.Read(file, name, member.Bytes);
        PlacedTensor tensor = placement.Place(
            name, header.DType, header.Sizes, TensorPlacement.Strides(header.Sizes, header.IsFortran), 0, member.Bytes, header.DataStart);
        long expected = header.DataStart + tensor.Info.ByteLength;
        return expected == member.Bytes.Length
            ? tensor
            : throw file.Invalid($"{tensor.Info.DType.FileName()} {tensor.Info.Shape} takes {expected} bytes with its header; its member has {member.Bytes.Length}", name);
    }

    private static bool IsArray(ZipMember member) => member.Name.EndsWith(Ending, StringComparison.Ordinal);
}
