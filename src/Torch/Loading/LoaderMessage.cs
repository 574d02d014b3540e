namespace LoraKit.Torch.Loading;

/// <summary>What the system's loader says, on one line.</summary>
internal static class LoaderMessage
{
    /// <summary>The lines that say something, without the runtime's advice around them.</summary>
    public static string Of(Exception e)
    {
        string[] lines = e.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        // The runtime puts its own advice first and the loader's words, one line for each place it looked, after it.
        IEnumerable<string> said = lines.Length > 1 ? lines.Skip(1).Where(line => !line.Contains("No such file", StringComparison.Ordinal)) : lines;
        return string.Join("; ", said.DefaultIfEmpty(lines.FirstOrDefault() ?? e.GetType().Name).Distinct());
    }
}
