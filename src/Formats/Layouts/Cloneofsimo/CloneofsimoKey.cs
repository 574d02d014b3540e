using System.Globalization;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Cloneofsimo;

/// <summary>Names by number: <c>unet:17:up</c>. See spec/layouts/cloneofsimo.md, "Keys".</summary>
internal static class CloneofsimoKey
{
    /// <summary>What the metadata says of a tensor that is a token's vector.</summary>
    public const string Embedding = "<embed>";

    /// <summary>The metadata's name for the rank of a module.</summary>
    public static string RankOf(ModuleName module) => module.Path + ":rank";

    /// <summary>Takes a name apart; the module is the part of the model and the number.</summary>
    public static FactorKey Parse(TensorInfo tensor)
    {
        int last = tensor.Name.LastIndexOf(':');
        FactorRole role = last < 0 ? FactorRole.Unknown : tensor.Name[(last + 1)..] switch
        {
            "down" => FactorRole.Down,
            "up" => FactorRole.Up,
            _ => FactorRole.Unknown,
        };
        return role != FactorRole.Unknown && PartOf(tensor.Name[..last]) is not null
            ? new(tensor, role, new ModuleName(tensor.Name[..last]))
            : new(tensor, FactorRole.Unknown, new ModuleName(tensor.Name));
    }

    /// <summary>The part of the model that a module's name begins with (<c>unet</c>); null where it is no part and number.</summary>
    public static string? PartOf(string module)
    {
        int colon = module.IndexOf(':');
        return colon > 0 && int.TryParse(module.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _) ? module[..colon] : null;
    }
}
