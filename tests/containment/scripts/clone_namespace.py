import ctypes
import os


def main() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    number = 56 if os.uname().machine == "x86_64" else 220
    # CLONE_NEWUSER and SIGCHLD.
    pid = libc.syscall(ctypes.c_long(number), ctypes.c_long(0x10000000 | 17), *[ctypes.c_long(0)] * 4)
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "SUCCEEDED: made a user namespace"
