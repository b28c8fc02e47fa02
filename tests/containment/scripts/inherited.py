import os


def main(secret: str) -> str:
    """Whatever descriptor the worker left open."""
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.pread(int(entry), 100, 0).decode().strip() == secret:
                return f"SUCCEEDED: descriptor {entry}"
        except (OSError, UnicodeDecodeError):
            continue
    raise PermissionError("no descriptor leads to the secret")
