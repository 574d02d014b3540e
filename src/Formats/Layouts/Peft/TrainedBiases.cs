namespace LoraKit.Formats.Layouts.Peft;

/// <summary>Which of the base's biases training changed (PEFT's <c>bias</c>).</summary>
internal enum TrainedBiases : byte
{
    None,
    LoraOnly,
    All,
}
