import glob  # Loaded by the attack as well: both are children of one fork-server.
import os


def main(mark: str, secret: str) -> None:
    """Another job: it has a secret in its files, in its environment and so in its memory."""
    assert glob.glob("/"), "a root directory"
    os.umask(0)
    for place in (".", "/tmp", "/dev/shm"):
        try:
            with open(f"{place}/the-secret", "w") as file:
                file.write(secret)
        except PermissionError:
            # Without a root directory of its own, a job has the first of them only.
            continue
    os.execve("/bin/sleep", ["sleep", mark], {"WM_TOKEN": secret})
