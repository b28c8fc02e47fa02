"""The command line. Speaks HTTP; what starts processes is handed in by `__main__`."""
