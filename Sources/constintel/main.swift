import ConstIntelCommand

await CommandLineTool.main()
