using BenchmarkDotNet.Running;
using LoraKit.Bench;

// BenchmarkDotNet measures one thing after the other; comparisons take turns instead, in one process.
if (args is ["svd"]) SvdComparison.Run(Console.Out, rounds: 5, Environment.ProcessorCount);
else if (args is ["svd", string rounds, string threads]) SvdComparison.Run(Console.Out, int.Parse(rounds), int.Parse(threads));
else if (args is ["extract", var basePath, var tunedPath, ..]) ExtractComparison.Run(Console.Out, basePath, tunedPath, rounds: args.Length > 3 ? int.Parse(args[3]) : 3);
else BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
