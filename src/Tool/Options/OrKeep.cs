namespace LoraKit.Tool.Options;

/// <summary>A value, or the word <c>keep</c>, which leaves something as it is; so does an option that is not given.</summary>
/// <param name="Value">The value; null for <c>keep</c>.</param>
internal readonly record struct OrKeep<T>(T? Value)
    where T : struct
{
    public const string Word = "keep";
}
