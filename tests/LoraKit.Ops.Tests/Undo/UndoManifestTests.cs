using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Tests.Undo;

/// <summary>A manifest is read back as it was written; anything else is no manifest, and no crash.</summary>
public class UndoManifestTests
{
    private static readonly UndoManifest Sample = new()
    {
        Version = 1,
        Adapters = [new("../a", -0.5, "00", null)],
        NamePrefix = "",
        Files = [new("model.safetensors", 100, "11")],
        OtherFiles = [new("config.json", "22", true)],
        Tensors = [new("x.weight", "BF16", 4, 2, false, [new(0, "x.weight", 0, true)], 3, "33", "44")],
    };

    [Fact]
    public void ComesBack() => Assert.Equal(Sample.ToBytes(), UndoManifest.Parse(Sample.ToBytes()).ToBytes());

    [Theory]
    [InlineData("adapters")]
    [InlineData("namePrefix")]
    [InlineData("files")]
    [InlineData("otherFiles")]
    [InlineData("tensors")]
    [InlineData("version")]
    public void NothingMayBeMissingOrNull(string field)
    {
        foreach (string? replacement in new[] { null, "null", "[null]", "[{}]", "[[]]", "1e999" })
        {
            JsonObject json = JsonNode.Parse(Sample.ToBytes())!.AsObject();
            json.Remove(field);
            if (replacement is not null) json[field] = JsonNode.Parse(replacement);
            Assert.ThrowsAny<JsonException>(() => UndoManifest.Parse(Encoding.UTF8.GetBytes(json.ToJsonString())));
        }

        JsonObject updates = JsonNode.Parse(Sample.ToBytes())!.AsObject();
        updates["tensors"]![0]!["updates"] = new JsonArray((JsonNode?)null);
        Assert.ThrowsAny<JsonException>(() => UndoManifest.Parse(Encoding.UTF8.GetBytes(updates.ToJsonString())));
    }
}
