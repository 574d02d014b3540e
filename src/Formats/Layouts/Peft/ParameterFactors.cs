using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// The factors of a parameter: plain LoRA for a matrix, A [E·r, in] and B [out, r·E] for a stack of E ≥ 1. Several parameters of a module wrap each
/// other, the one registered last outermost, and which is which is for the base's shapes to confirm. See spec/layouts/peft.md, "Keys".
/// </summary>
internal static class ParameterFactors
{
    // Before this version PEFT took a stack [E, one, two] for [E, in, out], and since for [E, out, in].
    private static readonly Version OutInSince = new(0, 19, 1);

    /// <param name="config">The configuration.</param>
    /// <param name="options">What the user said.</param>
    /// <param name="file">The file, for messages.</param>
    /// <param name="module">Whose factors they are.</param>
    /// <param name="parameters">What they may update, in the order of registration.</param>
    /// <param name="down">A.</param>
    /// <param name="up">B.</param>
    /// <exception cref="InvalidAdapterException">The rank does not divide the factors, or they do not chain.</exception>
    public static AdapterDelta Read(
        PeftConfig config, AdapterReadOptions options, string file, PeftFactors module, IReadOnlyList<ParameterName> parameters, StoredTensor down, StoredTensor up)
    {
        if (module.Depth >= parameters.Count)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(file)}: '{Printable.Text(down.Name)}' lies {module.Depth} wrappers deep, but 'target_parameters' names {parameters.Count} "
                + $"of module '{Printable.Text(module.Module.Path)}'; expected one for each", file, down.Name);
        }

        // The likely one first: it is what reports show.
        ParameterName likely = parameters[^(module.Depth + 1)];
        List<AdapterDelta> readings = [];
        InvalidAdapterException? wrong = null;
        foreach (ParameterName parameter in parameters.OrderBy(parameter => parameter != likely))
        {
            ModuleScale scale = config.ScaleOf(new ModuleName(parameter.Path));
            if (down.Shape.Rank == 2 && down.Shape[0] % scale.Rank == 0)
            {
                readings.AddRange(Of(parameter, scale));
                continue;
            }

            wrong ??= new InvalidAdapterException(
                $"{Printable.Text(file)}: '{Printable.Text(parameter.Path)}' has A {down.Shape}, which is no stack of factors of rank {scale.Rank} (from {scale.RankOrigin}); expected [experts · {scale.Rank}, in]",
                file, down.Name);
        }

        if (readings.Count == 0) throw wrong!;
        return readings.Count == 1 ? readings[0] : readings[0].WithReadings(readings);

        // A matrix and a stack of one have the same factors; the base has the one or the other. PEFT adds B·A to a stack of one as it is.
        IEnumerable<AdapterDelta> Of(ParameterName parameter, ModuleScale scale)
        {
            long experts = down.Shape[0] / scale.Rank;
            if (experts == 1) yield return new LowRankDelta(parameter, down, up, scale.Scale, scale.Alpha, WeightOrientation.OutIn);
            yield return new ExpertsDelta(parameter, down, up, experts, options.ExpertColumns, scale.Scale, scale.Alpha)
            {
                Orientation = WeightOrientation.FromShape,
                SquareIsInOut = experts > 1 && (config.Version is not { } version || version < OutInSince),
            };
        }
    }
}
