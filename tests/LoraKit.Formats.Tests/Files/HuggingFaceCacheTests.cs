using LoraKit.Formats.Files;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Files;

public sealed class HuggingFaceCacheTests : IDisposable
{
    private const string Main = "0123456789abcdef0123456789abcdef01234567";
    private const string Pull = "fedcba9876543210fedcba9876543210fedcba98";

    private readonly TempFolder _temp = new();

    public HuggingFaceCacheTests()
    {
        Add("models--org--name", ("main", Main), ("refs/pr/1", Pull));
        Add("models--gpt2", ("main", Main));
    }

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData("org/name", "models--org--name", Main)]
    [InlineData("gpt2", "models--gpt2", Main)]
    [InlineData("org/name@main", "models--org--name", Main)]
    [InlineData("org/name@refs/pr/1", "models--org--name", Pull)]
    [InlineData("org/name@" + Pull, "models--org--name", Pull)]
    public void AnIdIsFound(string id, string repository, string commit) =>
        Assert.Equal(_temp[repository, "snapshots", commit], new HuggingFaceCache(_temp.Path).Find(id));

    [Theory]
    [InlineData("org/other")]
    [InlineData("org/name@v2")]
    [InlineData("org/name@../../x")]
    [InlineData("org/name@")]
    [InlineData("../models--org--name")]
    [InlineData("org/../name")]
    [InlineData("org--name")]
    [InlineData("a/b/c")]
    [InlineData("/org/name")]
    [InlineData("org/")]
    [InlineData("")]
    [InlineData("org/na me")]
    public void OthersAreNot(string id) => Assert.Null(new HuggingFaceCache(_temp.Path).Find(id));

    [Theory]
    [InlineData("../../../outside")]
    [InlineData("/outside")]
    [InlineData("")]
    [InlineData("..")]
    public void AReferenceLeadsNowhereElse(string reference)
    {
        Directory.CreateDirectory(_temp["outside"]);
        File.WriteAllText(_temp["models--gpt2", "refs", "main"], reference);
        Assert.Null(new HuggingFaceCache(_temp.Path).Find("gpt2"));
    }

    [Fact]
    public void AReferenceMayEndInALineBreak()
    {
        File.WriteAllText(_temp["models--gpt2", "refs", "main"], Main + "\n");
        Assert.NotNull(new HuggingFaceCache(_temp.Path).Find("gpt2"));
    }

    [Fact]
    public void NoCacheAtAll() => Assert.Null(new HuggingFaceCache(_temp["nowhere"]).Find("gpt2"));

    [Theory]
    [InlineData("HF_HUB_CACHE=/a;HF_HOME=/b", "/a")]
    [InlineData("HUGGINGFACE_HUB_CACHE=/a;HF_HOME=/b", "/a")]
    [InlineData("HF_HOME=/b;XDG_CACHE_HOME=/c", "/b/hub")]
    [InlineData("HF_HOME=~/b", "/home/u/b/hub")]
    [InlineData("HF_HUB_CACHE=~", "/home/u")]
    [InlineData("HF_HUB_CACHE=;XDG_CACHE_HOME=/c", "/c/huggingface/hub")]
    [InlineData("", "/home/u/.cache/huggingface/hub")]
    public void TheEnvironmentNamesIt(string environment, string root)
    {
        Dictionary<string, string> variables = environment.Split(';', StringSplitOptions.RemoveEmptyEntries)
            .Select(v => v.Split('=')).ToDictionary(v => v[0], v => v[1]);
        Assert.Equal(Path.GetFullPath(root), Path.GetFullPath(HuggingFaceCache.FromEnvironment(variables.GetValueOrDefault, "/home/u").Root));
    }

    private void Add(string repository, params (string Name, string Commit)[] references)
    {
        foreach ((string name, string commit) in references)
        {
            Directory.CreateDirectory(_temp[repository, "snapshots", commit]);
            string reference = _temp[repository, "refs", name];
            Directory.CreateDirectory(Path.GetDirectoryName(reference)!);
            File.WriteAllText(reference, commit);
        }
    }
}
