import os


def main() -> str:
    return f"SUCCEEDED: priority {os.nice(-5)}"
