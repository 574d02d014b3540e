using BenchmarkDotNet.Running;
using LoraKit.Bench;

// BenchmarkDotNet measures one thing after the other; comparisons take turns instead, in one process.
if (args is ["svd"]) SvdComparison.Run(Console.Out, rounds: 5, Environment.ProcessorCount);
else if (args is ["svd", string rounds, string threads]) SvdComparison.Run(Console.Out, int.Parse(rounds), int.Parse(threads));
else BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
