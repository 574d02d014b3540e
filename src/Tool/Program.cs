using LoraKit.Tool;

using ToolEnvironment environment = ToolEnvironment.OfProcess();
return LoraTool.Run(args, environment);
