import glob


def main(secret: str) -> str:
    """The other job has left its secret in its /job, /tmp and /dev/shm."""
    for place in ("/job", "/tmp", "/dev/shm", "/shared", "/run/slots", "/proc/[0-9]*/cwd", "/proc/[0-9]*/root/tmp"):
        for path in glob.glob(f"{place}/**/the-secret", recursive="proc" not in place):
            try:
                with open(path) as file:
                    if file.read().strip() == secret:
                        return f"SUCCEEDED: {path}"
            except OSError:
                continue
    raise FileNotFoundError("no other job's files")
