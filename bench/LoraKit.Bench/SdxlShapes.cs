namespace LoraKit.Bench;

/// <summary>The 700 linear modules of SDXL's transformer blocks (10 of width 640, 60 of width 1280), as [out, in].</summary>
internal static class SdxlShapes
{
    private const int TextWidth = 2048;

    public static IReadOnlyList<(int Rows, int Columns)> All { get; } =
        [.. Enumerable.Repeat(640, 10).Concat(Enumerable.Repeat(1280, 60)).SelectMany(Block)];

    /// <summary>Self-attention, cross-attention on the text, and the gated feed-forward.</summary>
    private static IEnumerable<(int Rows, int Columns)> Block(int width) =>
    [
        (width, width), (width, width), (width, width), (width, width),
        (width, width), (width, TextWidth), (width, TextWidth), (width, width),
        (8 * width, width), (width, 4 * width),
    ];
}
