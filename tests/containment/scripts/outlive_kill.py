import ctypes
import os
import signal
import time


def main(mark: str) -> str:
    """Deaf to signals, without a parent's death signal, in a session and a process group of its own."""
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sleep", ["sleep", mark])
        os._exit(0)
    time.sleep(30)
    return "the timeout did not come"
