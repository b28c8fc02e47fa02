import os


def main() -> str:
    with open(f"/proc/{os.getppid() or 1}/environ", "rb") as file:
        return f"SUCCEEDED: {len(file.read())} bytes of its init's environment"
