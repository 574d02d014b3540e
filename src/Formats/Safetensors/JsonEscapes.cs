using System.Globalization;

namespace LoraKit.Formats.Safetensors;

/// <summary>What a JSON reader leaves unchecked in the escapes of a string that it does not decode.</summary>
internal static class JsonEscapes
{
    /// <summary>Whether a <c>\u</c> escape is half of a surrogate pair whose other half is missing.</summary>
    /// <param name="raw">The string between its quotes, its escapes well formed.</param>
    public static bool HaveLoneSurrogate(ReadOnlySpan<byte> raw)
    {
        bool high = false;
        for (int i = 0; i < raw.Length;)
        {
            ushort unit = 0;
            int length = 1;
            if (raw[i] == '\\')
            {
                bool isUnit = raw[i + 1] == 'u';
                if (isUnit) unit = ushort.Parse(raw.Slice(i + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                length = isUnit ? 6 : 2;
            }

            if (high != char.IsLowSurrogate((char)unit)) return true;
            high = char.IsHighSurrogate((char)unit);
            i += length;
        }

        return high;
    }
}
