"""The verbs of a job's life, one a file. Each takes an open transaction and never begins or commits."""
