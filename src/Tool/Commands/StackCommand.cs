using System.CommandLine;
using System.Globalization;
using LoraKit.Formats;
using LoraKit.Ops;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Stack;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Commands;

/// <summary><c>stack A… --out PATH</c>: one adapter from several.</summary>
internal static class StackCommand
{
    private const string Name = "stack";

    public static Command Create(ToolEnvironment environment)
    {
        Argument<AdapterInput[]> adapters = AdapterOption.CreateArgument("An adapter's folder or file, with @WEIGHT if its weight is not 1");
        Option<string?> method = new("--method")
        {
            Description = $"{string.Join(", ", StackMethods.All.Select(m => m.Name))}; PEFT's names with --semantics peft (default: cat)",
            HelpName = "METHOD",
        };
        Option<string?> rank = new("--rank")
        {
            Description = "The largest rank of the result, or as a fraction such as 0.95 the energy to keep (default: the method's)",
            HelpName = "R|ENERGY",
        };
        Option<double?> density = Number("--density", "D", "The fraction of elements to keep, for methods that drop some");
        Option<string?> sign = new("--sign") { Description = "total or frequency: how signs are elected (default: total)", HelpName = "HOW" };
        Option<double?> lambda = Number("--lambda", "L", "What the combined update is multiplied with (default: 1)");
        Option<long?> seed = new("--seed") { Description = "What random drops are drawn from (default: 0)", HelpName = "S" };
        Option<string?> space = new("--space") { Description = "dense or core: where element-wise methods work (default: dense)", HelpName = "SPACE" };
        Option<double?> gamma = Number("--gamma", "G", "breadcrumbs: the fraction of largest elements to drop (default: 0.01)");
        Option<double?> epsilon = Number("--epsilon", "E", "della: how far probabilities lie from the density (default: 0.15)");
        Option<string?> semantics = new("--semantics") { Description = "exact, or peft to get what PEFT's add_weighted_adapter gives (default: exact)", HelpName = "WHOSE" };
        Command command = new(Name, "Combine adapters into one: their exact weighted sum, or what another method makes of them")
        {
            adapters, method, rank, density, sign, lambda, seed, space, gamma, epsilon, semantics,
        };
        AdapterOutputOptions write = new(command);
        ComputeOptions compute = new(command);
        OutputOptions speech = new(command);
        command.SetAction(parsed =>
        {
            (AdapterOutput output, bool dryRun) = write.Read(parsed);
            ComputeSettings computing = compute.Read(parsed);
            (int? most, double? energy) = ReadRank(parsed.GetValue(rank));
            StackOptions options = new()
            {
                Adapters = AdapterOption.Resolve(parsed.GetRequiredValue(adapters), environment),
                Output = output,
                Method = parsed.GetValue(method) ?? "cat",
                Rank = most,
                Energy = energy,
                Density = parsed.GetValue(density),
                Sign = Choice<SignElection>("--sign", parsed.GetValue(sign), ("total", SignElection.Total), ("frequency", SignElection.Frequency)),
                Lambda = parsed.GetValue(lambda),
                Seed = parsed.GetValue(seed),
                Space = Choice<StackSpace>("--space", parsed.GetValue(space), ("dense", StackSpace.Dense), ("core", StackSpace.Core)),
                Gamma = parsed.GetValue(gamma),
                Epsilon = parsed.GetValue(epsilon),
                Semantics = Choice<StackSemantics>("--semantics", parsed.GetValue(semantics), ("exact", StackSemantics.Exact), ("peft", StackSemantics.Peft)) ?? default,
                MemoryBytes = computing.MemoryBytes,
                Threads = computing.Threads,
            };
            return Run(environment, speech.Read(parsed), options, computing, dryRun);
        });
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, StackOptions options, ComputeSettings computing, bool dryRun)
    {
        using Interruption interruption = environment.Interruptible();
        using StackPlan plan = StackPlan.Create(options);
        IReadOnlyList<string> warnings = [.. plan.Warnings, .. plan.Inputs.SelectMany(input => AdapterWarnings.Of(input.Path, input.Issues))];
        if (!output.Quiet) Warnings.Write(environment.Messages, warnings);
        if (dryRun)
        {
            if (output.Json) JsonOutput.Write(environment.Output, StackDocuments.OfPlan(plan, warnings));
            else StackText.WritePlan(environment.Output, plan, output.Verbose);
            return ExitCode.Done;
        }

        using ComputeHost host = ComputeHost.Build(computing);
        StackReport report = ProgressDisplay.Run(environment, output, "stacking", progress =>
            plan.Run(host.Compute, progress, interruption.Token));
        if (output.Json) JsonOutput.Write(environment.Output, StackDocuments.OfReport(plan, report, warnings));
        else StackText.WriteReport(environment.Output, report, output.Verbose);
        return ExitCode.Done;
    }

    private static Option<double?> Number(string name, string helpName, string description) => new(name) { Description = description, HelpName = helpName };

    private static T? Choice<T>(string name, string? text, params ReadOnlySpan<(string Word, T Value)> choices)
        where T : struct
    {
        if (text is null) return null;
        foreach ((string word, T value) in choices)
        {
            if (word == text) return value;
        }

        throw new InvalidOptionException($"{name}: '{text}' is none of {string.Join(" and ", choices.ToArray().Select(c => c.Word))}");
    }

    // A whole number is a rank, one with a decimal point an energy: 1 is rank 1, 1.0 all of the energy.
    private static (int? Rank, double? Energy) ReadRank(string? text)
    {
        if (text is null) return (null, null);
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int rank)) return (rank, null);
        return double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double energy)
            ? (null, energy)
            : throw new InvalidOptionException($"--rank: '{text}' is neither a rank such as 16 nor an energy such as 0.95");
    }
}
