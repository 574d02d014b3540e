namespace LoraKit.Formats.Files;

/// <summary>
/// A file or folder that appears under its final name whole, or not at all. Everything is written to a hidden sibling, flushed,
/// and renamed by <see cref="Commit"/>; disposing without it removes every trace. See spec/durability.md.
/// </summary>
public sealed class AtomicOutput : IDisposable
{
    private readonly OutputPlace _place;
    private readonly FileNature _nature;
    private readonly AtomicOutputOptions _options;
    private readonly ParentFolders _parents;
    private readonly OutputLock _lock;
    private readonly Dictionary<string, OutputFile> _files = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _folders = new(StringComparer.Ordinal);
    private readonly Lock _creating = new();
    private bool _closed;

    private AtomicOutput(OutputPlace place, FileNature nature, AtomicOutputOptions options, ParentFolders parents, OutputLock @lock)
    {
        _place = place;
        _nature = nature;
        _options = options;
        _parents = parents;
        _lock = @lock;
    }

    /// <summary>Prepares a folder to be written.</summary>
    /// <param name="path">The final path; folders above it that are missing are made.</param>
    /// <param name="options">What may be replaced, what is read, whether to flush.</param>
    /// <exception cref="OutputException">It exists, is or touches an input, its parent cannot be written, or another writer is at it.</exception>
    public static AtomicOutput CreateFolder(string path, AtomicOutputOptions options) => Create(path, FileNature.Folder, options);

    /// <summary>Prepares a single file to be written; <see cref="CreateFile"/> is then called once, with the file's own name.</summary>
    /// <param name="path">The final path; folders above it that are missing are made.</param>
    /// <param name="options">What may be replaced, what is read, whether to flush.</param>
    /// <exception cref="OutputException">It exists, is or touches an input, its parent cannot be written, or another writer is at it.</exception>
    public static AtomicOutput CreateSingle(string path, AtomicOutputOptions options) => Create(path, FileNature.File, options);

    /// <summary>The final path, absolute.</summary>
    public string Path => _place.Final;

    /// <summary>Makes a file of known length inside the output; the disk space is claimed at once where the file system can.</summary>
    /// <param name="relativePath">Its place inside the folder, with <c>/</c>; may not leave the folder.</param>
    /// <param name="length">Its length in bytes; all of them must be written before the commit.</param>
    /// <exception cref="OutputException">The disk is full, the name leaves the folder, or it was made before.</exception>
    public OutputFile CreateFile(string relativePath, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        string relative = Place(relativePath);
        lock (_creating)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            string finalPath = _nature == FileNature.File ? Path : System.IO.Path.Combine(Path, relative);
            OutputFile file = new(finalPath, relative, length, _options.Flush);
            if (!_files.TryAdd(relative, file))
            {
                throw new OutputException($"{Printable.Text(Path)}: {Printable.Text(relative)} is written twice", Path);
            }

            file.Open(_nature == FileNature.File ? _place.Partial : PartialPath(relative, finalPath));
            return file;
        }
    }

    /// <summary>Flushes, renames, flushes the parent. After this the output is there.</summary>
    /// <exception cref="OutputException">Any of it failed; nothing is left under the final name that was not there before.</exception>
    /// <exception cref="InvalidOperationException">A file has bytes that were never written.</exception>
    public void Commit() => CommitAll(this);

    /// <summary>
    /// Commits several outputs that belong together, in order: nothing is renamed before all of them are on the disk, and if one cannot
    /// be renamed, those before it are taken back. A program that is killed in between leaves the first ones only.
    /// </summary>
    /// <param name="outputs">The outputs; the one that means something only with the others comes last.</param>
    /// <exception cref="OutputException">Any of it failed.</exception>
    /// <exception cref="InvalidOperationException">A file has bytes that were never written.</exception>
    public static void CommitAll(params IReadOnlyList<AtomicOutput> outputs)
    {
        foreach (AtomicOutput output in outputs)
        {
            output.Prepare();
        }

        Stack<Action> published = new();
        try
        {
            foreach (AtomicOutput output in outputs)
            {
                published.Push(output.Publish());
            }
        }
        catch
        {
            foreach (Action takeBack in published)
            {
                takeBack();
            }

            throw;
        }

        foreach (AtomicOutput output in outputs)
        {
            output._parents.Keep();
            output.Dispose();
        }
    }

    /// <summary>Removes what was not committed.</summary>
    public void Dispose()
    {
        lock (_creating)
        {
            if (_closed) return;
            _closed = true;
            foreach (OutputFile file in _files.Values)
            {
                file.Close();
            }

            // After a commit, what bears the partial name is what was replaced.
            Leftovers.TryRemove(_place.Partial);
            _lock.Dispose();
            _parents.Dispose();
        }
    }

    /// <summary>Everything but the name.</summary>
    private void Prepare()
    {
        lock (_creating)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            if (_nature == FileNature.File && _files.Count == 0) throw new InvalidOperationException("the single file was never made");
            foreach (OutputFile file in _files.Values)
            {
                file.Finish();
            }

            OutputChecks.Run(_place, _nature, _options, _files.Keys);
            Try(() =>
            {
                if (_options.Flush)
                {
                    FlushFolders();
                    _parents.Flush();
                }

                KeepMode();
            });
        }
    }

    /// <summary>Gives it its name; returns how to take that back.</summary>
    private Action Publish()
    {
        Action? takeBack = null;
        Try(() => takeBack = Publication.Run(_place, _nature, _options.Flush));
        return () => Try(takeBack!);
    }

    private void Try(Action step)
    {
        try
        {
            step();
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(Path, "cannot be put in its place", e);
        }
    }

    private static AtomicOutput Create(string path, FileNature nature, AtomicOutputOptions options)
    {
        OutputPlace place = OutputPlace.Of(path);
        OutputChecks.Run(place, nature, options, options.PlannedFiles);
        ParentFolders parents = ParentFolders.Make(place);
        OutputLock? held = null;
        try
        {
            held = OutputLock.Take(place);
            Leftovers.Clear(place);
            OutputChecks.Run(place, nature, options, options.PlannedFiles); // Again: an older writer may have finished meanwhile.
            if (nature == FileNature.Folder) Directory.CreateDirectory(place.Partial);
            return new(place, nature, options, parents, held);
        }
        catch (Exception e)
        {
            held?.Dispose();
            parents.Dispose();
            if (OutputErrors.IsRefusal(e)) throw OutputErrors.Of(place.Final, "cannot be written", e);
            throw;
        }
    }

    private string Place(string relativePath)
    {
        if (_nature == FileNature.File)
        {
            string name = System.IO.Path.GetFileName(Path);
            return relativePath == name ? name : throw new ArgumentException($"the single file is called {name}, not {relativePath}", nameof(relativePath));
        }

        return PathGuard.Refusal(relativePath, out string relative) is { } refusal
            ? throw new OutputException($"{Printable.Text(Path)}: the file name '{Printable.Text(relativePath)}' {refusal}", Path)
            : relative;
    }

    private string PartialPath(string relative, string finalPath)
    {
        string path = System.IO.Path.Combine(_place.Partial, relative);
        try
        {
            for (int slash = relative.IndexOf('/'); slash >= 0; slash = relative.IndexOf('/', slash + 1))
            {
                if (_folders.Add(relative[..slash])) Directory.CreateDirectory(System.IO.Path.Combine(_place.Partial, relative[..slash]));
            }

            return path;
        }
        catch (Exception e) when (OutputErrors.IsRefusal(e))
        {
            throw OutputErrors.Of(finalPath, "cannot be written", e);
        }
    }

    private void FlushFolders()
    {
        if (_nature != FileNature.Folder) return;
        foreach (string folder in _folders.Reverse()) // Inner ones first.
        {
            NativeFiles.FlushFolder(System.IO.Path.Combine(_place.Partial, folder));
        }

        NativeFiles.FlushFolder(_place.Partial);
    }

    /// <summary>What replaces something has its permissions.</summary>
    private void KeepMode()
    {
        if (OperatingSystem.IsWindows() || FileNatures.Of(Path) != _nature) return;
        File.SetUnixFileMode(_place.Partial, File.GetUnixFileMode(Path));
    }
}
