using System.Diagnostics;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Safetensors;

public sealed class SafetensorsFileTests : IDisposable
{
    private const string Bytes0To9 = """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[6],"data_offsets":[4,10]}}""";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Ranges_of_tensors_are_read_by_position()
    {
        string path = WriteTen();
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(path, file.Path);
        Assert.Equal("safetensors", file.Container);
        TensorInfo b = file.Tensors[1];
        byte[] all = new byte[6];
        file.Read(b, 0, all);
        Assert.Equal([4, 5, 6, 7, 8, 9], all);
        byte[] two = new byte[2];
        file.Read(b, 3, two);
        Assert.Equal([7, 8], two);
        file.Read(b, 6, []);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(b, -1, two));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(b, 5, two));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(b, 7, []));
    }

    [Fact]
    public void The_headers_bytes_are_given_as_they_are()
    {
        string path = WriteTen();
        using SafetensorsFile file = SafetensorsFile.Open(path);
        byte[] header = new byte[file.Header.DataOffset];
        file.ReadHeader(header);
        Assert.Equal(File.ReadAllBytes(path)[..header.Length], header);
        Assert.Throws<ArgumentException>(() => file.ReadHeader(new byte[header.Length - 1]));
    }

    [Fact]
    public void Many_threads_may_read_at_once()
    {
        string path = _folder["threads.safetensors"];
        byte[] data = new byte[1 << 20];
        new Random(7).NextBytes(data);
        File.WriteAllBytes(path, [.. HeaderCase.FileOf($$$"""{"a":{"dtype":"U8","shape":[{{{data.Length}}}],"data_offsets":[0,{{{data.Length}}}]}}"""), .. data]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Parallel.For(0, 2000, i =>
        {
            int start = i * 500;
            byte[] part = new byte[777];
            file.Read(file.Tensors[0], start, part);
            Assert.True(data.AsSpan(start, part.Length).SequenceEqual(part));
        });
    }

    [Fact]
    public void A_tensor_of_6_GiB_is_read_at_its_start_across_4_GiB_and_at_its_end()
    {
        const long Length = 6L << 30;
        string path = _folder["sparse.safetensors"];
        byte[] header = SafetensorsHeader.Plan([("big", DType.F32, new(Length / 4)), ("last", DType.U8, new(3))], null).ToBytes();
        long[] marks = [0, (4L << 30) - 4, Length - 8];
        using (FileStream stream = File.Create(path))
        {
            stream.Write(header);
            stream.SetLength(header.Length + Length + 3);
            foreach (long mark in marks)
            {
                stream.Position = header.Length + mark;
                stream.Write([1, 2, 3, 4, 5, 6, 7, 8]);
            }

            stream.Position = header.Length + Length;
            stream.Write([9, 10, 11]);
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(Length, file.Tensors[0].ByteLength);
        Assert.Equal(header.Length + Length + 3, file.Header.FileLength);
        byte[] eight = new byte[8];
        foreach (long mark in marks)
        {
            file.Read(file.Tensors[0], mark, eight);
            Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], eight);
        }

        byte[] three = new byte[3];
        file.Read(file.Tensors[1], 0, three);
        Assert.Equal([9, 10, 11], three);
    }

    [Fact]
    public void A_file_that_became_shorter_is_named_with_the_tensor()
    {
        string path = WriteTen();
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using (FileStream stream = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) stream.SetLength(file.Header.FileLength - 3);
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => file.Read(file.Tensors[1], 0, new byte[6]));
        Assert.Contains("has become shorter", e.Message);
        Assert.Equal("b", e.Tensor);
        Assert.Equal(path, e.File);
        file.Read(file.Tensors[0], 0, new byte[4]);
    }

    [Fact]
    public void Links_to_files_are_followed()
    {
        string path = WriteTen();
        Directory.CreateDirectory(_folder["snapshots"]);
        File.CreateSymbolicLink(_folder["middle"], path);
        File.CreateSymbolicLink(_folder["snapshots", "model.safetensors"], Path.Combine("..", "middle"));
        using SafetensorsFile file = SafetensorsFile.Open(_folder["snapshots", "model.safetensors"]);
        Assert.Equal(2, file.Tensors.Count);
    }

    [Theory]
    [InlineData(-1, "second")]
    [InlineData(-6, "second")]
    [InlineData(-7, "first")]
    [InlineData(-10, "first")]
    public void The_tensor_that_a_truncation_cuts_first_is_named(int by, string tensor)
    {
        byte[] file = HeaderCase.FileOf(
            """{"first":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"second":{"dtype":"U8","shape":[6],"data_offsets":[4,10]}}""", 10);
        File.WriteAllBytes(_folder["cut.safetensors"], file[..(file.Length + by)]);
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => SafetensorsFile.Open(_folder["cut.safetensors"]));
        Assert.Equal(tensor, e.Tensor);
        Assert.Contains("truncated", e.Message);
        Assert.Contains($"'{tensor}'", e.Message);
    }

    [Fact]
    public void What_is_not_there_is_told_as_such()
    {
        InputNotFoundException e = Assert.Throws<InputNotFoundException>(() => SafetensorsFile.Open(_folder["none.safetensors"]));
        Assert.Contains("no such file", e.Message);
        Assert.Equal(_folder["none.safetensors"], e.File);
        Assert.Throws<InputNotFoundException>(() => SafetensorsFile.Open(_folder["no", "folder", "none.safetensors"]));
        File.CreateSymbolicLink(_folder["dangling"], "blobs/gone");
        File.CreateSymbolicLink(_folder["circle"], _folder["circle"]);
        Assert.EndsWith("links lead in a circle", Assert.Throws<InputNotFoundException>(() => SafetensorsFile.Open(_folder["circle"])).Message);
        Assert.Contains("gone, which is not there", Assert.Throws<InputNotFoundException>(() => SafetensorsFile.Open(_folder["dangling"])).Message);
    }

    [Fact]
    public void A_loop_of_links_is_refused()
    {
        File.CreateSymbolicLink(_folder["one"], "two");
        File.CreateSymbolicLink(_folder["two"], "one");
        Assert.ThrowsAny<LoraKitException>(() => SafetensorsFile.Open(_folder["one"]));
    }

    [Fact]
    public void A_folder_is_refused() => Refused(_folder.Path, "is a folder");

    [Fact]
    public void A_pipe_is_refused_without_waiting_for_its_writer()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no pipes with names in folders here");
        using (Process made = Process.Start("mkfifo", [_folder["pipe"]])) made.WaitForExit();
        Refused(_folder["pipe"], OperatingSystem.IsLinux() ? "is a pipe" : "empty");
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("/dev/null")]
    [InlineData("/dev/urandom")]
    public void A_device_is_refused(string path)
    {
        Assert.SkipUnless(File.Exists(path), "no such device here");
        Refused(path, OperatingSystem.IsLinux() ? "a device" : "empty");
    }

    [Fact]
    public void A_file_of_the_system_without_length_is_refused()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "no /proc here");
        Refused("/proc/self/maps", "empty (0 bytes)");
    }

    [Fact]
    public void A_file_that_may_not_be_read_is_told_as_such()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "permissions bind nobody here");
        string path = WriteTen();
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.None);
        Refused(path, "cannot be opened");
    }

    [Fact]
    public void A_file_may_be_open_twice_and_is_never_changed()
    {
        string path = WriteTen();
        byte[] before = File.ReadAllBytes(path);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead);
        using (SafetensorsFile one = SafetensorsFile.Open(path))
        using (SafetensorsFile two = SafetensorsFile.Open(path))
        {
            two.Read(one.Tensors[0], 0, new byte[4]);
        }

        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void After_a_failure_the_file_is_not_held()
    {
        string path = _folder["broken.safetensors"];
        File.WriteAllBytes(path, HeaderCase.FileOf("{", 4));
        Refused(path, "not valid JSON");
        using FileStream alone = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.Equal(13, alone.Length);
    }

    private static void Refused(string path, string reason)
    {
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => SafetensorsFile.Open(path));
        Assert.Contains(reason, e.Message);
        Assert.StartsWith(path + ": ", e.Message);
        Assert.Equal(path, e.File);
    }

    private string WriteTen()
    {
        string path = _folder["ten.safetensors"];
        File.WriteAllBytes(path, [.. HeaderCase.FileOf(Bytes0To9), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        return path;
    }
}
