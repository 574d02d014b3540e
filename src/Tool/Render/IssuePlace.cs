using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Tool.Render;

/// <summary>Where an issue is.</summary>
internal static class IssuePlace
{
    /// <summary>The module, tensor or setting; null where there is none or the message names it already.</summary>
    public static string? Of(AdapterIssue issue) =>
        issue.Where is { } where && !issue.Message.Contains(Printable.Text(where), StringComparison.Ordinal) ? where : null;
}
