namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>What a tensor of a kohya file is, told by the end of its name. See spec/layouts/kohya.md, "Keys".</summary>
internal enum KohyaRole : byte
{
    /// <summary>Nothing that is known.</summary>
    Unknown,

    /// <summary><c>lora_down.weight</c>.</summary>
    Down,

    /// <summary><c>lora_up.weight</c>.</summary>
    Up,

    /// <summary><c>lora_mid.weight</c>: the core of a Tucker decomposition.</summary>
    Mid,

    /// <summary><c>alpha</c>.</summary>
    Alpha,

    /// <summary>Part of a kind that is not read.</summary>
    Refused,
}
