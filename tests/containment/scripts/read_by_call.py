import ctypes
import glob
import os


def main(mark: str) -> str:
    """process_vm_readv: memory without /proc, at any address that is there or not."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = 310 if os.uname().machine == "x86_64" else 270
    reason: Exception = ProcessLookupError("no such process")
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with open(path, "rb") as file:
            if mark.encode() not in file.read().split(b"\0"):
                continue
        room = (ctypes.c_ulong * 2)(0, 8)
        libc.syscall(ctypes.c_long(number), int(path.split("/")[2]), room, 1, room, 1, 0)
        if ctypes.get_errno() == 14:
            return "SUCCEEDED: only the address was wrong"
        reason = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    raise reason
