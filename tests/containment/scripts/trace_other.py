import ctypes
import glob
import os


def main(mark: str) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long,) * 4
    libc.ptrace.restype = ctypes.c_long
    reason: Exception = ProcessLookupError("no such process")
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with open(path, "rb") as file:
            if mark.encode() not in file.read().split(b"\0"):
                continue
        # PTRACE_SEIZE, which does not stop it. It ends with this process.
        if libc.ptrace(0x4206, int(path.split("/")[2]), 0, 0) == 0:
            return "SUCCEEDED: traces another job"
        reason = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    raise reason
