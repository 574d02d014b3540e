using System.Runtime.CompilerServices;
using LoraKit.Ops.Compute;
using LoraKit.Tool.Options;
using LoraKit.Torch;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace LoraKit.Tool.Commands;

/// <summary>
/// The services of a command that computes, in a host without configuration, logging or a lifetime of its own: built when it is needed,
/// and with it goes the backend.
/// </summary>
internal sealed class ComputeHost : IDisposable
{
    private readonly IHost _host;

    private ComputeHost(IHost host) => _host = host;

    /// <summary>The backend that was asked for.</summary>
    public ICompute Compute => _host.Services.GetRequiredService<ICompute>();

    public static ComputeHost Build(ComputeSettings settings)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton(_ => settings.UsesTorch ? CreateTorch(settings) : new SimdCompute());
        return new ComputeHost(builder.Build());
    }

    public void Dispose() => _host.Dispose();

    // TorchSharp's types are loaded with this method, not with its caller.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ICompute CreateTorch(ComputeSettings settings) =>
        TorchCompute.Create(new TorchOptions { Device = settings.Device, LibTorchDirectory = settings.LibTorchDirectory });
}
