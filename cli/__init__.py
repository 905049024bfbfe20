"""The `auditor` command: parse, call, show progress, print a summary."""
