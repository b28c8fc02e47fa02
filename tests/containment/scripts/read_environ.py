import glob


def main(mark: str) -> str:
    reason: Exception = ProcessLookupError("no such process")
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if mark.encode() not in file.read().split(b"\0"):
                    continue
            with open(path.replace("cmdline", "environ"), "rb") as file:
                if b"WM_TOKEN=" in file.read():
                    return "SUCCEEDED: read another job's token"
        except OSError as error:
            reason = error
    raise reason
