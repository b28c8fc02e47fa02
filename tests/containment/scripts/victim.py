import os


def main(mark: str, secret: str) -> None:
    """Another job: it has a secret in its files, in its environment and so in its memory."""
    os.umask(0)
    for place in (".", "/tmp", "/dev/shm"):
        with open(f"{place}/the-secret", "w") as file:
            file.write(secret)
    os.execve("/bin/sleep", ["sleep", mark], {"WM_TOKEN": secret})
