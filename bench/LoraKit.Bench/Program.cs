using BenchmarkDotNet.Running;
using LoraKit.Bench;

// BenchmarkDotNet measures one thing after the other; comparisons take turns instead, in one process.
if (args is ["svd", ..]) SvdComparison.Run(Console.Out, rounds: args.Length > 1 ? int.Parse(args[1]) : 5);
else BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
