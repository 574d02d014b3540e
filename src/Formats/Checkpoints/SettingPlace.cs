namespace LoraKit.Formats.Checkpoints;

/// <summary>One object of a configuration: whether it has a setting, and where one more could be appended in the same style.</summary>
/// <param name="start">Right after its brace.</param>
internal sealed class SettingPlace(int start)
{
    /// <summary>Whether it has the setting.</summary>
    public bool HasSetting { get; set; }

    /// <summary>Right after its last value, or after its brace if it is empty.</summary>
    public int AppendAt { get; set; } = start;

    /// <summary>The white space before its last name; it ends where the name starts.</summary>
    public (int Start, int End) Gap { get; private set; } = (start, start);

    /// <summary>Whether it has no setting at all.</summary>
    public bool IsEmpty { get; private set; } = true;

    /// <summary>Notes that a name starts here.</summary>
    public void AddName(ReadOnlySpan<byte> json, int at)
    {
        int gap = at;
        while (json[gap - 1] is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n') gap--;
        Gap = (gap, at);
        IsEmpty = false;
    }
}
