"""The command line: one file per noun. Rule: parses and prints, nothing else; every file loads on use."""
