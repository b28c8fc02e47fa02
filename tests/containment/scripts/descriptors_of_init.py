import os


def main() -> str:
    """Where its init tells how the job ended."""
    init = os.getppid() or 1
    return f"SUCCEEDED: {os.readlink(f'/proc/{init}/fd/0')}"
