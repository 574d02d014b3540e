using System.Runtime.InteropServices;

namespace LoraKit.Tool;

/// <summary>
/// A wish to stop: the first SIGINT or SIGTERM cancels <see cref="Token"/>, so that the command can clear up; the second ends the process.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>One that listens to the process's signals.</summary>
    public static Interruption OfProcess()
    {
        Interruption interruption = new();
        interruption._registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, interruption.OnSignal));
        interruption._registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, interruption.OnSignal));
        return interruption;
    }

    /// <summary>What the first signal does.</summary>
    public void Interrupt() => _source.Cancel();

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        // Left alone, the signal does what it does to any process.
        context.Cancel = !_source.IsCancellationRequested;
        if (context.Cancel) Interrupt();
    }
}
