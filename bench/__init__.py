"""`make bench`: our side of docs/performance.md's rows, each beside the floor of the same machine in the same run."""
