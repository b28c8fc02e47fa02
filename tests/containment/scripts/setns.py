import ctypes
import os


def main() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
    if libc.setns(fd, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "SUCCEEDED: entered a namespace"
