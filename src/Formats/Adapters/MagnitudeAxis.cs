namespace LoraKit.Formats.Adapters;

/// <summary>What a DoRA magnitude has one value for.</summary>
public enum MagnitudeAxis : byte
{
    /// <summary>Every output: a row of the weight, [out].</summary>
    Output,

    /// <summary>Every input: a column of the weight with its kernel, [in].</summary>
    Input,

    /// <summary>As its shape says: one of [out, …] with out values is by output, any other by input.</summary>
    FromShape,
}
