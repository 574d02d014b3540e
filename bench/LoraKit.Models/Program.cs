using LoraKit.Models;

// make --model 1b|4b|tiny --rank R --out FOLDER    a Llama-shaped BF16 base in shards and an all-linear adapter for it
// kind --model 1b|4b|tiny --kind KIND --out FOLDER    an adapter of another kind for it; kinds lists them
// check --base FOLDER --adapter FOLDER --merged FOLDER  every element against round(W + s·B·A) computed in F64

Dictionary<string, string> options = [];
for (int i = 1; i + 1 < args.Length; i += 2)
{
    options[args[i]] = args[i + 1];
}

switch (args.FirstOrDefault())
{
    case "make":
        LlamaShape shape = LlamaShape.Named(options.GetValueOrDefault("--model", "1b"));
        int rank = int.Parse(options.GetValueOrDefault("--rank", "16"), null);
        string output = options["--out"];
        BaseModel.Write(shape, Path.Combine(output, "base"));
        PeftAdapter.Write(shape, rank, Path.Combine(output, "adapter"));
        return 0;
    case "kind":
        KindAdapter.Write(LlamaShape.Named(options.GetValueOrDefault("--model", "1b")), options["--kind"], options["--out"]);
        return 0;
    case "kinds":
        Console.WriteLine(string.Join('\n', KindAdapter.Names));
        return 0;
    case "check":
        return MergeOracle.Check(options["--base"], options["--adapter"], options["--merged"]);
    default:
        Console.Error.WriteLine("make --model 1b|4b|tiny --rank R --out FOLDER | kind --model 1b|4b|tiny --kind KIND --out FOLDER | kinds | check --base FOLDER --adapter FOLDER --merged FOLDER");
        return 2;
}
