using System.Security.Cryptography;
using System.Text;

namespace LoraKit.Formats.Files;

/// <summary>The names of an output: the final one, and the hidden ones beside it while it is being written.</summary>
internal sealed record OutputPlace
{
    private const int MaxNameBytes = 255;

    private OutputPlace(string final, string parent, string stem)
    {
        Final = final;
        Parent = parent;
        Partial = Path.Combine(parent, $".{stem}.lorakit-partial");
        Replaced = Path.Combine(parent, $".{stem}.lorakit-replaced");
        Lock = Path.Combine(parent, $".{stem}.lorakit-lock");
        Spill = Path.Combine(parent, $".{stem}.lorakit-spill");
    }

    /// <summary>The final path, absolute.</summary>
    public string Final { get; }

    /// <summary>The folder it lies in.</summary>
    public string Parent { get; }

    /// <summary>What is written before the rename.</summary>
    public string Partial { get; }

    /// <summary>Where an old folder waits while the new one takes its name, on systems that cannot exchange the two in one step.</summary>
    public string Replaced { get; }

    /// <summary>The lock file.</summary>
    public string Lock { get; }

    /// <summary>What is set aside while it is written; its name is gone as soon as it is open.</summary>
    public string Spill { get; }

    /// <exception cref="OutputException">The path is none that a file or folder could have.</exception>
    public static OutputPlace Of(string path)
    {
        if (path.Length == 0) throw new OutputException("the output path is empty; name a file or a folder", path);
        string final;
        try
        {
            final = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        }
        catch (Exception e) when (e is ArgumentException or PathTooLongException or NotSupportedException)
        {
            throw new OutputException($"the output path '{Printable.Text(path)}' is no path: {Printable.Text(e.Message)}", path, e);
        }

        string name = Path.GetFileName(final);
        if (name.Length == 0 || Path.GetDirectoryName(final) is not { } parent)
        {
            throw new OutputException($"{Printable.Text(final)}: is the root folder; name an output in it", final);
        }

        if (Encoding.UTF8.GetByteCount(name) > MaxNameBytes)
        {
            throw new OutputException($"{Printable.Text(final)}: the name is too long (at most {MaxNameBytes} bytes); choose a shorter one", final);
        }

        // The longest of the hidden names is the file's own with 19 bytes more.
        bool fits = Encoding.UTF8.GetByteCount(name) + 19 <= MaxNameBytes;
        string stem = fits ? name : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..32];
        return new(final, parent, stem);
    }
}
