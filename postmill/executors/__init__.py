"""One file per language: prepare, command, read result. All pass tests/executors/contract suite."""
