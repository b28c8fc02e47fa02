import ctypes
import os


def main(step: str, mark: str) -> str:
    """In the user's keyring, which all processes of a uid share."""
    libc = ctypes.CDLL(None, use_errno=True)
    x86 = os.uname().machine == "x86_64"
    name = f"postmill-{mark}".encode()
    if step == "plant":
        answer = libc.syscall(
            ctypes.c_long(248 if x86 else 217), b"user", name, b"x", ctypes.c_long(1), ctypes.c_long(-4)
        )
    else:
        answer = libc.syscall(ctypes.c_long(250 if x86 else 219), 10, ctypes.c_long(-4), b"user", name, 0)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if step != "plant":
        libc.syscall(ctypes.c_long(250 if x86 else 219), 9, ctypes.c_long(answer), ctypes.c_long(-4))
    return "planted" if step == "plant" else "SUCCEEDED: a key of the job before"
