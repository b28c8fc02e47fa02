import os
import signal
import time


def main() -> str:
    init = os.getppid() or 1
    os.kill(init, signal.SIGSTOP)
    time.sleep(0.2)
    with open(f"/proc/{init}/stat") as file:
        state = file.read().rpartition(")")[2].split()[0]
    os.kill(init, signal.SIGCONT)
    if state == "T":
        return "SUCCEEDED: its init stood still"
    raise RuntimeError("its init runs on")
