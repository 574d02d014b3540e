namespace LoraKit.Tool.Tests.Options;

/// <summary>A command line that makes no sense: exit 2, one line on stderr, nothing on stdout but the document that was asked for.</summary>
public sealed class UsageTests
{
    private static readonly string[] Merge = ["merge", "--base", "b", "--adapter", "a", "--out", "o"];

    public static TheoryData<string, string> BadValues => new()
    {
        { "--memory lots", "--memory: 'lots' is no size" },
        { "--memory 0", "less than one byte" },
        { "--max-shard-size 5G", "'5G' is no size" },
        { "--dtype f8", "--dtype: 'f8' is no output type" },
        { "--threads 0", "--threads: '0' is no number of threads" },
        { "--threads -1", "--threads: '-1' is no number of threads" },
        { "--threads many", "--threads: 'many' is no number of threads" },
        { "--device gpu", "--device: 'gpu' is no device" },
        { "--device cuda:", "--device: 'cuda:' is no device" },
        { "--device cuda:x", "--device: 'cuda:x' is no device" },
        { "--compute numpy", "--compute: 'numpy' is no backend" },
        { "--compute simd --device cuda", "--compute simd runs on the CPU only" },
        { "--adapter @0.5", "names no adapter" },
        { "--adapter x@1e999", "finite" },
        { "--resume", "--resume" },
        { "--semantics peft", "--semantics" },
        { "--part 1/2", "--part" },
        { "surplus", "surplus" },
    };

    [Theory]
    [MemberData(nameof(BadValues))]
    public void IsRefusedInOneLine(string added, string message)
    {
        ToolRun run = ToolRun.Of([.. Merge, .. added.Split(' ')]);
        Assert.Equal(2, run.Code);
        Assert.Equal("", run.Output);
        Assert.Single(run.Lines);
        Assert.StartsWith("error: ", run.Lines[0]);
        Assert.Contains(message, run.Lines[0]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("frobnicate")]
    [InlineData("inspect")]
    [InlineData("inspect a b")]
    [InlineData("inspect a --plot b")]
    [InlineData("verify a --fix")]
    [InlineData("diff a")]
    [InlineData("merge --base b")]
    [InlineData("doctor now")]
    [InlineData("--unknown")]
    public void SaysWhereHelpIs(string line)
    {
        ToolRun run = ToolRun.Of(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(2, run.Code);
        Assert.Equal("", run.Output);
        Assert.Contains("--help", Assert.Single(run.Lines));
    }

    [Fact]
    public void IsADocumentWithJson()
    {
        ToolRun run = ToolRun.Of("merge", "--json", "--base", "b", "--no-such-option");
        Assert.Equal(2, run.Code);
        Assert.Single(run.Lines);
        Assert.Equal(["command", "version", "ok", "warnings", "error"], run.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal("merge", run.Json.GetProperty("command").GetString());
        Assert.False(run.Json.GetProperty("ok").GetBoolean());
        Assert.Equal(["code", "message", "file", "tensor"], run.Json.GetProperty("error").EnumerateObject().Select(p => p.Name));
        Assert.Equal("usage", run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public void WhatIsTypedDoesNotReachTheTerminalRaw()
    {
        ToolRun run = ToolRun.Of("inspect", "x", "\u001b[2J\u202Eevil\nline");
        Assert.Equal(2, run.Code);
        Assert.Single(run.Lines);
        Assert.DoesNotContain('\u001b', run.Messages);
        Assert.Contains("\\u001b[2J\\u202eevil\\u000aline", run.Messages);
    }

    [Fact]
    public void APathMayBeginWithAt()
    {
        ToolRun run = ToolRun.Of("inspect", "@no-response-file");
        Assert.Equal(2, run.Code);
        Assert.Contains("@no-response-file: does not exist", run.Messages);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("merge --help")]
    [InlineData("inspect --help")]
    [InlineData("verify --help")]
    [InlineData("doctor --help")]
    public void HelpIsAResult(string line)
    {
        ToolRun run = ToolRun.Of(line.Split(' '));
        Assert.Equal(0, run.Code);
        Assert.Equal("", run.Messages);
        Assert.Contains("Usage:", run.Output);
    }

    [Fact]
    public void VersionIsOneLine()
    {
        ToolRun run = ToolRun.Of("--version");
        Assert.Equal(0, run.Code);
        Assert.Matches(@"^\d+\.\d+\.\d+\n$", run.Output);
    }
}
