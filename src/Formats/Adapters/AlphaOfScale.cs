namespace LoraKit.Formats.Adapters;

/// <summary>From the resolved scale back to the number that a file states: α with α / divisor = scale in doubles.</summary>
internal static class AlphaOfScale
{
    /// <summary>
    /// The shortest α whose quotient is the scale, exactly. Where no double has it (only for scales that are no quotient themselves, and divisors that
    /// are no power of two), the α whose quotient is the next number to the scale.
    /// </summary>
    /// <param name="scale">The resolved multiplier; finite.</param>
    /// <param name="divisor">r, or √r with rsLoRA; above 0.</param>
    public static double Of(double scale, double divisor)
    {
        double product = scale * divisor;
        // What was written in decimal, and multiplied and divided since, is most often meant: 5.6 and not 5.6000000000000005.
        foreach (string format in (ReadOnlySpan<string>)["G15", "G16", "R"])
        {
            double shown = double.Parse(product.ToString(format, System.Globalization.CultureInfo.InvariantCulture), System.Globalization.CultureInfo.InvariantCulture);
            if (shown / divisor == scale) return shown;
        }

        double below = Math.BitDecrement(product);
        double above = Math.BitIncrement(product);
        return below / divisor == scale ? below : above / divisor == scale ? above : product;
    }
}
