"""Runs code inside limits, streams its output, kills the whole tree. Knows no language and no job."""
