namespace LoraKit.Formats.Layouts.Names;

/// <summary>Some rows of a weight of the original model as rows of one of diffusers' weights.</summary>
/// <param name="Part">Which of diffusers' weights.</param>
/// <param name="PartFirst">The first row there.</param>
/// <param name="First">The first row in the original weight.</param>
/// <param name="Rows">How many.</param>
internal readonly record struct RowSegment(int Part, long PartFirst, long First, long Rows);
