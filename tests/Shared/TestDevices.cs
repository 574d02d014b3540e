namespace LoraKit.Tests;

/// <summary>The devices that the tests run on: the CPU, and the one that LORAKIT_TEST_DEVICE names.</summary>
internal static class TestDevices
{
    public static IEnumerable<string> All { get; } =
        Environment.GetEnvironmentVariable("LORAKIT_TEST_DEVICE") is { Length: > 0 } other and not "cpu" ? ["cpu", other] : ["cpu"];
}
