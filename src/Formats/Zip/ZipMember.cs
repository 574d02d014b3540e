using LoraKit.Formats.Containers;

namespace LoraKit.Formats.Zip;

/// <summary>One file in a zip archive.</summary>
/// <param name="Name">With <c>/</c> between its folders.</param>
/// <param name="Bytes">Its content, inflated where it is compressed.</param>
internal sealed record ZipMember(string Name, IByteRange Bytes);
