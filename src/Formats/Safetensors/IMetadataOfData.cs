namespace LoraKit.Formats.Safetensors;

/// <summary>Metadata that depends on the data it stands before: known when all of it has gone by.</summary>
internal interface IMetadataOfData
{
    /// <summary>The next bytes of the data.</summary>
    void Append(ReadOnlySpan<byte> data);

    /// <summary>The metadata; it takes as many bytes as what was planned.</summary>
    IReadOnlyDictionary<string, string> Finish();
}
