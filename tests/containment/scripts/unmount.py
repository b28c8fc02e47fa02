import ctypes
import os


def main() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(b"/dev/shm", 2) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "SUCCEEDED: uncovered what a mount hides"
