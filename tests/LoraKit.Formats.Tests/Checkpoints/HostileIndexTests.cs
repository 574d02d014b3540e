using LoraKit.Formats.Checkpoints;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Checkpoints;

/// <summary>An index that lies, leads elsewhere, or is none.</summary>
public sealed class HostileIndexTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData("/abs/model.safetensors")]
    [InlineData("/model.safetensors")]
    [InlineData(@"\model.safetensors")]
    [InlineData("C:model.safetensors")]
    [InlineData(@"C:\model.safetensors")]
    [InlineData("C:/model.safetensors")]
    [InlineData(@"\\server\share\model.safetensors")]
    [InlineData("//server/share/model.safetensors")]
    [InlineData(@"\\?\C:\model.safetensors")]
    [InlineData("../model.safetensors")]
    [InlineData(@"..\model.safetensors")]
    [InlineData("sub/../../model.safetensors")]
    [InlineData(@"sub\..\..\model.safetensors")]
    [InlineData(@"sub/..\..\model.safetensors")]
    [InlineData("sub/../model.safetensors")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("model.bin")]
    [InlineData("model.safetensors.bin")]
    [InlineData("model")]
    [InlineData("model.SAFETENSORS")]
    [InlineData("model.safetensors/")]
    [InlineData(@"model.safetensors\")]
    [InlineData("model.safetensors.")]
    [InlineData("model.safetensors ")]
    [InlineData("model.safetensors/.")]
    [InlineData("sub//model.safetensors")]
    [InlineData("... /model.safetensors")]
    [InlineData("model\0.safetensors")]
    [InlineData("model.safetensors\0")]
    [InlineData("model\n.safetensors")]
    [InlineData("\u001b[31m.safetensors")]
    public void AShardNameThatLeavesTheFolderOrIsNone(string shard)
    {
        // The file that a trusting reader would take is there.
        TinyModel.WriteFile(_temp["model.safetensors"], "a");
        TinyModel.WriteFile(_temp["base", "model.safetensors"], "a");
        TinyModel.WriteFile(_temp["base", "sub", "model.safetensors"], "a");
        string index = _temp["base", "model.safetensors.index.json"];
        TinyModel.WriteIndex(index, null, ("a", shard));
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp["base"]));
        Assert.Equal(index, e.File);
        Assert.Equal("a", e.Tensor);
        Assert.Contains("shard name", e.Message);
        Assert.DoesNotContain(e.Message, char.IsControl);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("[]", "no JSON object")]
    [InlineData("\"weight_map\"", "no JSON object")]
    [InlineData("{}", "weight_map")]
    [InlineData("""{"weight_map": {}}""", "names no tensor")]
    [InlineData("""{"weight_map": []}""", "no JSON object")]
    [InlineData("""{"weight_map": null}""", "no JSON object")]
    [InlineData("""{"weight_map": {"a": 1}}""", "no string")]
    [InlineData("""{"weight_map": {"a": null}}""", "no string")]
    [InlineData("""{"weight_map": {"a": {"b": "model.safetensors"}}}""", "no string")]
    [InlineData("""{"weight_map": {"a": "model.safetensors", "a": "model.safetensors"}}""", "twice")]
    [InlineData("""{"weight_map": {"a": "model.safetensors", "\u0061": "model.safetensors"}}""", "twice")]
    [InlineData("""{"weight_map": {"a": "model.safetensors"}, "weight_map": {"b": "model.safetensors"}}""", "twice")]
    [InlineData("""{"metadata": {}, "metadata": {}, "weight_map": {"a": "model.safetensors"}}""", "twice")]
    [InlineData("""{"metadata": "x", "weight_map": {"a": "model.safetensors"}}""", "metadata")]
    [InlineData("""{"weight_map": {"a": "model.safetensors"}} x""", "no valid JSON")]
    [InlineData("""{"weight_map": {"a": "model.safetensors"}""", "no valid JSON")]
    [InlineData("""{"weight_map": {"\ud800": "model.safetensors"}}""", "no valid text")]
    [InlineData("""{"weight_map": {"a": "\udc00.safetensors"}}""", "no valid text")]
    [InlineData("<!doctype html><html>", "HTML")]
    public void TextThatIsNoIndex(string text, string said)
    {
        TinyModel.WriteFile(_temp["model.safetensors"], "a");
        File.WriteAllText(_temp["model.safetensors.index.json"], text);
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.Contains(said, e.Message);
        Assert.Equal(_temp["model.safetensors.index.json"], e.File);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void TextThatIsNoUtf8()
    {
        File.WriteAllBytes(_temp["model.safetensors.index.json"], [.. "{\"weight_map\": {\""u8, 0xFF, .. "\": \"model.safetensors\"}}"u8]);
        Assert.Contains("UTF-8", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void NestingWithoutEnd()
    {
        File.WriteAllText(_temp["model.safetensors.index.json"], """{"x": """ + new string('[', 1_000_000));
        Assert.Contains("no valid JSON", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void AnIndexOfGigabytes()
    {
        using (FileStream index = File.Create(_temp["model.safetensors.index.json"]))
        {
            index.SetLength(3L << 30); // Sparse.
        }

        Assert.Contains("268435456", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void UnknownKeysAndOddMetadataPass()
    {
        TinyModel.WriteFile(_temp["model.safetensors"], "a");
        foreach (string metadata in new[] { "null", "{}", """{"total_size": 24.0}""", """{"total_size": "24"}""", """{"total_size": 2.4e1, "total_parameters": 6}""" })
        {
            File.WriteAllText(
                _temp["model.safetensors.index.json"], $$$"""{"note": [1, {"x": {}}], "metadata": {{{metadata}}}, "weight_map": {"a": "model.safetensors"}}""");
            using Checkpoint model = Checkpoint.Open(_temp.Path);
            Assert.Empty(model.Warnings);
            Assert.Equal(metadata == "null" ? null : metadata, model.IndexMetadata);
        }
    }

    [Fact]
    public void NoFileIsLeftOpenAfterARefusal()
    {
        Assert.SkipUnless(Directory.Exists("/proc/self/fd"), "no /proc here");
        TinyModel.WriteSharded(_temp.Path);
        TinyModel.WriteIndex(
            _temp["model.safetensors.index.json"], null, ("a", "model-00001-of-00002.safetensors"), ("b", "model-00001-of-00002.safetensors"), ("x", "model-00002-of-00002.safetensors"));
        Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.DoesNotContain(Directory.GetFiles("/proc/self/fd"), fd => new FileInfo(fd).LinkTarget?.StartsWith(_temp.Path, StringComparison.Ordinal) == true);
    }
}
