import ctypes
import os


def main() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    # MS_REMOUNT | MS_BIND, without MS_RDONLY. In a mount namespace of its own.
    if libc.mount(None, b"/usr", None, ctypes.c_ulong(32 | 4096), None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "SUCCEEDED: /usr is writable"
