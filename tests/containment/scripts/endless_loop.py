import time


def main() -> str:
    end = time.monotonic() + 3
    while time.monotonic() < end:
        pass
    return "SUCCEEDED: three seconds"
