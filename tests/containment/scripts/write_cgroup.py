import os


def main(mark: str) -> str:
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"):
        try:
            os.mkdir(f"{place}/postmill-{mark}")
        except OSError as error:
            last = error
        else:
            os.rmdir(f"{place}/postmill-{mark}")
            return f"SUCCEEDED: made a cgroup in {place}"
    raise last
