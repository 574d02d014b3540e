using System.Globalization;
using LoraKit.Formats;

namespace LoraKit.Ops.Stack;

/// <summary>What the user chose for a method, checked: nothing that it does not use, nothing out of range, nothing missing.</summary>
internal static class StackSettings
{
    private const double DefaultGamma = 0.01;
    private const double DefaultEpsilon = 0.15;

    /// <exception cref="InvalidOptionException">A setting makes no sense, or not for the method.</exception>
    public static MethodSettings Of(StackOptions options, StackMethod method)
    {
        RefuseUnused(options, method.Uses, $"the method {method.Name}");
        CheckRank(options);
        bool drops = method.Uses.HasFlag(StackSetting.Density);
        if (drops && options.Density is null)
        {
            throw new InvalidOptionException($"the method {method.Name} needs a density, the fraction of elements it keeps: above 0 and at most 1");
        }

        Require(options.Density is not { } d || (d > 0 && d <= 1), "density", options.Density, "above 0 and at most 1");
        Require(options.Lambda is not { } l || double.IsFinite(l), "lambda", options.Lambda, "a finite number");
        MethodSettings settings = new(
            options.Density ?? 1, options.Sign ?? SignElection.Total, options.Gamma ?? DefaultGamma, options.Epsilon ?? DefaultEpsilon);
        if (method.Uses.HasFlag(StackSetting.Gamma))
        {
            Require(settings.Gamma >= 0 && settings.Gamma + settings.Density <= 1, "gamma", settings.Gamma,
                $"0 or more, and with the density {Text(settings.Density)} at most 1 in all");
        }

        if (method.Uses.HasFlag(StackSetting.Epsilon))
        {
            Require(
                settings.Epsilon >= 0 && settings.Density - settings.Epsilon > 0 && settings.Density + settings.Epsilon <= 1, "epsilon", settings.Epsilon,
                $"0 or more, and with the density {Text(settings.Density)} probabilities above 0 and at most 1");
        }

        return settings;
    }

    /// <summary>Refuses what is given and not used.</summary>
    public static void RefuseUnused(StackOptions options, StackSetting used, string who)
    {
        Refuse(StackSetting.Density, options.Density is not null, "density");
        Refuse(StackSetting.Sign, options.Sign is not null, "sign election");
        Refuse(StackSetting.Lambda, options.Lambda is not null, "lambda");
        Refuse(StackSetting.Seed, options.Seed is not null, "seed");
        Refuse(StackSetting.Space, options.Space is not null, "space");
        Refuse(StackSetting.Gamma, options.Gamma is not null, "gamma");
        Refuse(StackSetting.Epsilon, options.Epsilon is not null, "epsilon");

        void Refuse(StackSetting setting, bool given, string name)
        {
            if (given && !used.HasFlag(setting)) throw new InvalidOptionException($"{who} has no use for {name}; leave it out");
        }
    }

    private static void CheckRank(StackOptions options)
    {
        if (options is { Rank: not null, Energy: not null }) throw new InvalidOptionException("a rank and an energy exclude each other; choose one");
        Require(options.Rank is not < 1, "rank", options.Rank, "1 or more");
        Require(options.Energy is not { } e || (e > 0 && e <= 1), "energy", options.Energy, "above 0 and at most 1");
    }

    private static void Require(bool holds, string name, double? value, string expected)
    {
        if (!holds) throw new InvalidOptionException($"the {name} is {Text(value)}; expected {expected}");
    }

    private static string Text(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "none";
}
