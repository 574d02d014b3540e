using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Layouts.Gguf;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>What an adapter adds: to a tensor, to the part of one that is its weight, or in parts to several.</summary>
internal sealed class UpdatePlanner(Checkpoint @base, TensorEdits edits, PlanNotes notes)
{
    private readonly Dictionary<(Adapter Adapter, string Tensor), UpdateUnit> _units = [];
    private readonly Dictionary<(string Adapter, string Tensor), (AdapterDelta Delta, bool Tied)> _tiedUpdates = [];

    /// <summary>What one update of an adapter is of one tensor of the base: all of it, a part of it, or the tensor is an expert's part of the update's.</summary>
    private enum UpdateUnit : byte
    {
        Tensor,
        Region,
        Part,
    }

    /// <summary>Adds all updates of an adapter that have a place.</summary>
    /// <param name="adapter">Whose they are.</param>
    /// <param name="input">How it was named.</param>
    /// <param name="deltas">The updates, each as what it means here.</param>
    /// <param name="targets">Where they were found.</param>
    public void Add(Adapter adapter, AdapterInput input, IReadOnlyList<AdapterDelta> deltas, IReadOnlyDictionary<ParameterName, Target> targets)
    {
        Orientations orientations = new(deltas, d => ShapeFor(d, targets[d.Target]), @base);
        foreach (AdapterDelta delta in deltas)
        {
            switch (targets[delta.Target])
            {
                case { Tensor: { } stack, Place: { } place }:
                    AddToStack(adapter, input, delta, stack, place);
                    break;
                case { Singles: { } singles }:
                    AddToSingles(adapter, input, delta, singles, orientations);
                    break;
                case { Stacks: { } stacks }:
                    AddToStacks(adapter, input, delta, stacks, orientations);
                    break;
                case { Regrouped: { } weight }:
                    AddRows(adapter, input, delta, weight);
                    break;
                case { Tensor: { } tensor } target:
                    AddDelta(adapter, input, delta, tensor, target, orientations);
                    break;
            }
        }
    }

    /// <summary>The shape that an update meets, or the one that single experts would make as a stack; null where there is none.</summary>
    public TensorShape? ShapeFor(AdapterDelta delta, Target target) => target switch
    {
        { Place: not null } => null,
        { Tensor: { } tensor } => edits.Shape(tensor),
        { Singles: { } singles } when delta is ExpertsDelta stack =>
            ExpertPlacement.StackOf(singles, stack.Experts, t => @base.Tensors.ContainsKey(t) ? edits.Shape(t) : null),
        { Stacks: { } stacks } when delta is ExpertsDelta => ExpertPlacement.OneStack([.. stacks.Select(edits.Shape)]),
        _ => null,
    };

    private void AddDelta(Adapter adapter, AdapterInput input, AdapterDelta delta, string tensor, Target target, Orientations orientations)
    {
        bool tied = target.TiedTo;
        // A head that was replaced in full is a tensor of its own by now; its update belongs there.
        TensorEdit edit = tied && edits.ByName.TryGetValue(TiedEmbeddings.HeadName(delta.Target.Path, tensor), out TensorEdit? untied) ? untied : edits.Of(tensor);
        if (!edits.CanAdd(adapter, tensor, edit.BaseType)) return;
        if (!Orientations.Fits(delta, edit.Shape))
        {
            notes.Miss($"{adapter.Path}: {delta.Target} needs {delta.Wanted}, but {tensor} is {edit.Shape} in the base", delta.Target.Path);
            return;
        }

        bool transposed = orientations.IsTransposed(delta, edit.Shape, tensor);
        if (target.Heads is { } heads && (transposed || !HeadRows.Fits(edit.Shape, heads)))
        {
            notes.Miss($"{adapter.Path}: {delta.Target} would be {heads} heads of {tensor} {edit.Shape} in the base, which has no rows for heads of an even number", delta.Target.Path);
            return;
        }

        if (target.IsPlusOne && delta.NeedsBase)
        {
            notes.Miss($"{adapter.Path}: {delta.Target}: a {delta.Kind} update depends on the weight, to which {tensor} has 1 added; merge into the model in Hugging Face's files", delta.Target.Path);
            return;
        }

        if (edit.Base is not null && ReferenceEquals(edit, edits.ByName.GetValueOrDefault(tensor)) && !NoteTied(adapter, delta, tensor, tied)) return;
        Add(adapter, edit, new(delta, input.Weight, transposed) { Heads = target.Heads }, UpdateUnit.Tensor);
    }

    /// <summary>Rows of an update, each block into the rows of a tensor that the base has them in.</summary>
    private void AddRows(Adapter adapter, AdapterInput input, AdapterDelta delta, RegroupedWeight weight)
    {
        if (!weight.Tensors.All(tensor => edits.CanAdd(adapter, tensor, edits.Of(tensor).BaseType))) return;
        string shapes = string.Join(", ", weight.Tensors.Select(tensor => $"{tensor} {edits.Shape(tensor)}"));
        if (RowPlacement.Of(weight, edits.Shape) is not { } placement)
        {
            notes.Miss($"{adapter.Path}: {delta.Target} would be rows of {shapes} in the base, which do not divide into {string.Join(", ", weight.Rule.Diffusers)}", delta.Target.Path);
            return;
        }

        if (delta.Orientation == WeightOrientation.InOut || !delta.Fits(placement.Weight))
        {
            notes.Miss($"{adapter.Path}: {delta.Target} needs {delta.Wanted}, but the base has {placement.Weight} for it in {shapes}", delta.Target.Path);
            return;
        }

        WeightPart[] parts = [.. placement.Blocks.Select(block =>
        {
            TensorEdit edit = edits.Of(block.Tensor);
            return new WeightPart(edit, block.Rows == edit.Shape[0] ? null : Region.OfRows(edit.Shape, block.First, block.Rows), new(block.FirstOfUpdate, block.Rows, placement.Weight[0]));
        })];
        foreach (WeightPart part in parts)
        {
            WeightedDelta all = new(delta, input.Weight, false) { Region = part.Region };
            Add(adapter, part.Edit, parts.Length == 1 ? all : all with { Rows = part.Rows, Whole = parts }, part.Region is null ? UpdateUnit.Tensor : UpdateUnit.Region);
        }
    }

    /// <summary>An expert's update, into its part of the stack of all.</summary>
    private void AddToStack(Adapter adapter, AdapterInput input, AdapterDelta delta, string tensor, ExpertPlace place)
    {
        TensorEdit edit = edits.Of(tensor);
        bool[] ways = @base.Gguf is null ? [false, true] : [false];
        bool[] fitting = [.. ways.Where(inOut => ExpertPlacement.RegionOf(place, edit.Shape, inOut) is { } r && delta.Fits(r.Weight(edit.Shape, inOut)))];
        if (!edits.CanAdd(adapter, tensor, edit.BaseType)) return;
        if (fitting.Length == 0)
        {
            notes.Miss($"{adapter.Path}: {delta.Target} needs {delta.Wanted}, but {tensor}, where the base has expert {place.Expert}, is {edit.Shape}", delta.Target.Path);
        }
        else if (place.Half is not null && @base.Config?.ModelType == "gpt_oss")
        {
            notes.Miss($"{adapter.Path}: {delta.Target} is one half of {tensor}, which this model interleaves; expected an update of the whole", delta.Target.Path);
        }
        else if ((fitting.Length == 1 ? fitting[0] : ExpertStorage.IsInOut(@base, tensor)) is not { } inOut)
        {
            notes.Miss($"{adapter.Path}: {delta.Target} fits {tensor} {edit.Shape} as [experts, out, in] and as [experts, in, out], and nothing says which it is", delta.Target.Path);
        }
        else
        {
            Add(adapter, edit, new(delta, input.Weight, inOut) { Region = ExpertPlacement.RegionOf(place, edit.Shape, inOut) }, UpdateUnit.Region);
        }
    }

    /// <summary>A stack's update, expert by expert, into the tensors that the base has of them.</summary>
    private void AddToSingles(Adapter adapter, AdapterInput input, AdapterDelta delta, ExpertTensors singles, Orientations orientations)
    {
        if (delta is not ExpertsDelta experts || ShapeFor(delta, new(null, null, Singles: singles)) is not { } stack || !Orientations.Fits(delta, stack))
        {
            string first = singles.Name(0, singles.Leaves[0]);
            notes.Miss($"{adapter.Path}: {delta.Target} needs {delta.Wanted}, but the base has {first} {edits.Shape(first)} and others, which make no such stack", delta.Target.Path);
            return;
        }

        bool turned = orientations.IsTransposed(delta, stack, delta.Target.Path);
        foreach ((string tensor, LowRankDelta one, ExpertPart part) in ExpertPlacement.Split(experts, singles, turned, t => edits.Shape(t)[0]))
        {
            TensorEdit edit = edits.Of(tensor);
            if (edits.CanAdd(adapter, tensor, edit.BaseType)) Add(adapter, edit, new(one, input.Weight, false) { PartOf = (experts, part) }, UpdateUnit.Part);
        }
    }

    /// <summary>A stack's update, expert by expert, into the stacks that the base divides its outputs into.</summary>
    private void AddToStacks(Adapter adapter, AdapterInput input, AdapterDelta delta, IReadOnlyList<string> stacks, Orientations orientations)
    {
        if (delta is not ExpertsDelta experts || ShapeFor(delta, new(null, null, Stacks: stacks)) is not { } whole || !Orientations.Fits(delta, whole))
        {
            string shapes = string.Join(", ", stacks.Select(stack => $"{stack} {edits.Shape(stack)}"));
            notes.Miss($"{adapter.Path}: {delta.Target} needs {delta.Wanted}, but the base has {shapes}, which make no such stack", delta.Target.Path);
            return;
        }

        bool turned = orientations.IsTransposed(delta, whole, delta.Target.Path);
        long first = 0;
        foreach (string stack in stacks)
        {
            TensorEdit edit = edits.Of(stack);
            long outputs = edit.Shape[1];
            for (long expert = 0; expert < experts.Experts && edits.CanAdd(adapter, stack, edit.BaseType); expert++)
            {
                ExpertPart part = new(expert, first, outputs, turned);
                LowRankDelta one = experts.Expert(new(new ModuleName(stack[..^".weight".Length]), "weight"), part);
                Add(adapter, edit, new(one, input.Weight, false) { Region = ExpertPlacement.RegionOf(new(expert, null), edit.Shape, inOut: false), PartOf = (experts, part) }, UpdateUnit.Part);
            }

            first += outputs;
        }
    }

    private void Add(Adapter adapter, TensorEdit edit, WeightedDelta weighted, UpdateUnit unit)
    {
        bool sameRows = edit.Deltas.Count == 0 || edit.Deltas[0].RowDimensions == weighted.RowDimensions;
        UpdateUnit before = _units.GetValueOrDefault((adapter, edit.Name), unit);
        if (!sameRows || before != unit)
        {
            ParameterName target = weighted.Delta.Target;
            bool ofExperts = !sameRows || weighted.RowDimensions > 1 || unit == UpdateUnit.Part || before == UpdateUnit.Part;
            notes.Miss($"{adapter.Path}: {target}: {edit.Name} is updated as {(ofExperts ? "a stack of experts and as single weights" : "a whole and in parts")}; expected one kind of update", target.Path);
            return;
        }

        _units[(adapter, edit.Name)] = unit;
        edit.Add(weighted, PlanWords.Weighted(PlanWords.Of(weighted.Delta), weighted.Weight));
    }

    /// <summary>
    /// One tensor that serves as embedding and head takes an update made for either (as PEFT does, and both change), and takes it once
    /// where the adapter brings the same one for both (<c>ensure_weight_tying</c>). Different ones cannot be kept apart in it.
    /// </summary>
    private bool NoteTied(Adapter adapter, AdapterDelta delta, string tensor, bool tied)
    {
        if (_tiedUpdates.TryGetValue((adapter.Path, tensor), out (AdapterDelta Delta, bool Tied) other) && other.Tied != tied)
        {
            if (delta is LowRankDelta one && other.Delta is LowRankDelta two && SameValues.Are(one, two))
            {
                notes.Warn($"{delta.Target} and {other.Delta.Target} are one tensor in the base and have the same update: it is added once");
            }
            else
            {
                notes.Miss(
                    $"{adapter.Path}: {delta.Target} and {other.Delta.Target} are one tensor in the base (tied), and the adapter updates them differently; " +
                    "merge into a base saved with both", delta.Target.Path);
            }

            return false;
        }

        if (_tiedUpdates.TryAdd((adapter.Path, tensor), (delta, tied)) && tied)
        {
            notes.Warn($"{delta.Target} is tied to {tensor} in the base: the update goes there, and both change");
        }

        return true;
    }
}
