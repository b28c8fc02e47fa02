"""The words of the project: frozen values, paths, the error tree. Parses and prints JSON, nothing else."""
