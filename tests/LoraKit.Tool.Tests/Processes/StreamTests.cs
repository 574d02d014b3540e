using LoraKit.Tests;
namespace LoraKit.Tool.Tests.Processes;

/// <summary>What becomes of results when stdout is not what it should be.</summary>
public sealed class StreamTests
{
    private static readonly string Adapter = Paths.Fixture("peft", "lora-linear-f32", "adapter");

    [Fact]
    public void AReaderThatLeavesIsNoError()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs bash");
        (int code, string output, string messages) = ToolProcess.Shell("$lora inspect \"$1\" --verbose | true; exit ${PIPESTATUS[0]}", Adapter);
        Assert.Equal((0, "", ""), (code, output, messages));
    }

    [Fact]
    public void AFullDiskBehindStdoutIsSaid()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /dev/full");
        (int code, _, string messages) = ToolProcess.Shell("$lora inspect \"$1\" --json > /dev/full", Adapter);
        Assert.Equal(2, code);
        Assert.StartsWith("error: ", messages);
        Assert.Single(messages.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void ResultsAndMessagesKeepApart()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs bash");
        (int code, string output, string messages) = ToolProcess.Shell("$lora verify \"$1\" --json", Adapter);
        Assert.Equal(0, code);
        Assert.StartsWith("{\"command\":\"verify\"", output);
        Assert.DoesNotContain("{", messages);
    }
}
