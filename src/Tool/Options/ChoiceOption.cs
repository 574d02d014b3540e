using System.CommandLine;

namespace LoraKit.Tool.Options;

/// <summary>Options whose value is one of a few words.</summary>
internal static class ChoiceOption
{
    /// <summary>The option; its value is null where it is not given.</summary>
    /// <param name="name">The option's name.</param>
    /// <param name="helpName">What help calls the value.</param>
    /// <param name="description">What help says.</param>
    /// <param name="what">What messages call a value: <c>factor</c>.</param>
    /// <param name="choices">Each word and what it stands for.</param>
    public static Option<T?> Create<T>(string name, string helpName, string description, string what, params (string Word, T Value)[] choices)
        where T : struct => new(name)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                foreach ((string word, T value) in choices)
                {
                    if (word == text) return value;
                }

                string[] words = [.. choices.Select(choice => choice.Word)];
                result.AddError($"{name}: '{text}' is no {what}; expected {string.Join(", ", words[..^1])} or {words[^1]}");
                return null;
            },
        };
}
