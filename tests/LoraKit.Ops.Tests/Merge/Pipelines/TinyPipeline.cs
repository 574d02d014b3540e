using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.Pipelines;

/// <summary>How a base has a pipeline.</summary>
public enum BaseForm
{
    /// <summary>One file, by the original's names, each part behind its prefix.</summary>
    SingleFile,

    /// <summary>One file as ComfyUI has them.</summary>
    Comfy,

    /// <summary>A diffusers folder.</summary>
    Folder,
}

/// <summary>All weights of an architecture at tiny widths, with two blocks of each kind, made from its vocabulary.</summary>
internal sealed class TinyPipeline
{
    private const string Weight = ".weight";

    public TinyPipeline(string architecture, Random random)
    {
        Architecture = ArchitectureDetectionName(architecture);
        Weights = [.. Architecture.Parts.SelectMany(part => part.Map.Rules.SelectMany(rule => Enumerable.Range(0, rule.Original.Contains('#') ? 2 : 1).Select(block => new Entry(part, rule, block, random))))];
    }

    public Architecture Architecture { get; }

    public IReadOnlyList<Entry> Weights { get; }

    /// <summary>Writes a base; its path.</summary>
    public string WriteBase(TempFolder temp, BaseForm form, DType dtype)
    {
        if (form != BaseForm.Folder)
        {
            TestTensor[] extra = [new("first_stage_model.decoder.conv_in.weight", dtype, [3], [1, 2, 3])];
            SafetensorsBytes.Write(temp["base.safetensors"], [.. Weights.Select(w => w.In(form, dtype)), .. extra]);
            return temp["base.safetensors"];
        }

        foreach (IGrouping<string, Entry> part in Weights.GroupBy(w => w.Part.Name))
        {
            string file = part.First().Part.Name.StartsWith("text", StringComparison.Ordinal) ? "model.safetensors" : "diffusion_pytorch_model.safetensors";
            SafetensorsBytes.Write(temp["base", part.Key, file], [.. part.SelectMany(w => w.Names.AsDiffusers("", dtype, w.Values))]);
            File.WriteAllText(temp["base", part.Key, "config.json"], "{\"_class_name\": \"Tiny\"}");
        }

        Directory.CreateDirectory(temp["base", "scheduler"]);
        File.WriteAllText(temp["base", "scheduler", "scheduler_config.json"], "{}");
        SafetensorsBytes.Write(temp["base", "vae", "diffusion_pytorch_model.safetensors"], new TestTensor("decoder.conv_in.weight", dtype, [3], [1, 2, 3]));
        string[] names = [.. Weights.Select(w => w.Part.Name).Distinct(), "vae", "scheduler"];
        File.WriteAllText(temp["base", "model_index.json"], $$"""{"_class_name": "TinyPipeline", {{string.Join(", ", names.Select(name => $"\"{name}\": [\"diffusers\", \"Tiny\"]"))}}, "safety_checker": [null, null]}""");
        return temp["base"];
    }

    /// <summary>A LoRA for every weight of the parts that the layout has words for, with another rank each, and what it adds.</summary>
    /// <returns>ΔW of each weight, Σ|terms| and how many; null for a weight that the layout has no words for.</returns>
    public IReadOnlyList<(double[] Update, double[] Magnitudes, int Terms)?> WriteAdapter(string path, string layout, Random random)
    {
        List<TestTensor> tensors = [];
        List<(double[], double[], int)?> updates = [];
        int rank = 1;
        bool hasAlpha = layout != "diffusers";
        (string downName, string upName) = hasAlpha ? ("lora_down", "lora_up") : ("lora_A", "lora_B");
        foreach (Entry weight in Weights)
        {
            if (!weight.Part.Spellings.TryGetValue(layout, out PartSpelling? spelling))
            {
                updates.Add(null);
                continue;
            }

            List<double> sums = [], sizes = [];
            int terms = 0;
            bool isDiffusers = spelling.Naming == Naming.Diffusers;
            for (int part = 0; part < weight.Rule.Modules(spelling.Naming).Count; part++)
            {
                rank = (rank % 4) + 1;
                int rows = isDiffusers ? weight.Names.Rows[part] : weight.Names.AllRows;
                string module = spelling.Spell(weight.Rule.Name(spelling.Naming, part, weight.Numbers));
                TestTensor down = Merging.Random($"{module}.{downName}.weight", DType.F32, random, rank, weight.Names.Columns), up = Merging.Random($"{module}.{upName}.weight", DType.F32, random, rows, rank);
                tensors.AddRange([down, up]);
                if (hasAlpha) tensors.Add(new($"{module}.alpha", DType.F32, [], [rank / 2.0]));
                (double[] product, double[] magnitudes) =
                    Oracle.AddProduct(new double[rows * weight.Names.Columns], [.. up.Values.Select(v => v * (hasAlpha ? 0.5 : 1))], down.Values, rows, weight.Names.Columns, rank);
                sums.AddRange(product);
                sizes.AddRange(magnitudes);
                terms += rank;
            }

            bool swaps = isDiffusers && weight.Names.IsSwapped;
            updates.Add((swaps ? Halves(sums) : [.. sums], swaps ? Halves(sizes) : [.. sizes], terms));
        }

        SafetensorsBytes.Write(path, tensors);
        return updates;

        static double[] Halves(List<double> values) => [.. values.Skip(values.Count / 2), .. values.Take(values.Count / 2)];
    }

    /// <summary>Every tensor of a written model, by the names of a checkpoint.</summary>
    public static Dictionary<string, (DType DType, TensorShape Shape, double[] Values)> Read(string path) => File.Exists(path)
        ? SafetensorsBytes.Read(path)
        : Directory.EnumerateFiles(path, "*.safetensors", SearchOption.AllDirectories)
            .SelectMany(file => SafetensorsBytes.Read(file).Select(t => (Name: $"{Path.GetFileName(Path.GetDirectoryName(file))}.{t.Key}", t.Value))).ToDictionary(t => t.Name, t => t.Value);

    private static Architecture ArchitectureDetectionName(string name) => ArchitectureDetection.Named(name, ArchitectureList.All);

    /// <summary>One weight and its values in the base, in the original's order of rows.</summary>
    internal sealed record Entry
    {
        public Entry(ModelPart part, NameRule rule, int block, Random random)
        {
            (Part, Rule) = (part, rule);
            Numbers = [.. Enumerable.Repeat(block.ToString(System.Globalization.CultureInfo.InvariantCulture), rule.Original.Split('.').Count(c => c == "#"))];
            // Whatever divides: an odd number of rows where any will do.
            int columns = 6;
            int parts = rule.Diffusers.Count;
            int all = parts > 1 || rule.Division.CanReorder ? Enumerable.Range(3, 60).First(rows => (rows % 2 == 0 || !rule.Division.CanReorder) && rule.Division.OfWhole(rows, columns, parts) is not null) : 7;
            if (rule.Division == RowDivision.HalvesSwappedWhereLast) all = block == 1 ? 2 * columns : 6 * columns;
            bool swaps = rule.Division == RowDivision.HalvesSwapped || (rule.Division == RowDivision.HalvesSwappedWhereLast && all == 2 * columns);
            Names = new(
                Name(Naming.Original, 0), [.. Enumerable.Range(0, parts).Select(i => Name(Naming.Diffusers, i))],
                parts == 1 ? [all] : [.. rule.Division.OfWhole(all, columns, parts)!.Select(rows => (int)rows)], [columns])
            { IsSwapped = swaps };
            Values = PeftFolder.Values(random, all * columns, DType.BF16);
        }

        public ModelPart Part { get; }

        public NameRule Rule { get; }

        public IReadOnlyList<string> Numbers { get; }

        public PipelineWeight Names { get; }

        public double[] Values { get; }

        /// <summary>The tensor in a file of everything.</summary>
        public TestTensor In(BaseForm form, DType dtype)
        {
            string comfy = Part.IsDenoiser || Part.BasePrefixes[0].StartsWith("model.diffusion_model.", StringComparison.Ordinal) ? Part.BasePrefixes[0]
                : Part.Spellings["comfy"].Prefix;
            Naming naming = form == BaseForm.Comfy ? Part.Spellings["comfy"].Naming : Naming.Original;
            string prefix = form == BaseForm.Comfy ? comfy : Part.BasePrefixes[0];
            if (naming == Naming.Diffusers && Names.Diffusers.Length > 1) naming = Naming.Original;
            return new(prefix + Name(naming, 0), dtype, [Names.AllRows, .. Names.Rest], Values);
        }

        /// <summary>What a merged model has of it, in the original's order.</summary>
        public double[] Of(Dictionary<string, (DType DType, TensorShape Shape, double[] Values)> merged, BaseForm form) => form == BaseForm.Folder
            ? Names.FromDiffusers(name => merged[$"{Part.Name}.{name}"].Values)
            : merged[In(form, DType.F32).Name].Values;

        private string Name(Naming naming, int module)
        {
            string name = Rule.Name(naming, module, Numbers);
            return naming == Naming.Diffusers || Rule.OriginalParameter == "weight" ? name + Weight : $"{name}.{Rule.OriginalParameter}";
        }
    }
}
