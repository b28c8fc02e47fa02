import ctypes
import os


def main(step: str, key: int) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.shmget(key, 4096, 0o666 | (0o1000 if step == "plant" else 0))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if step == "plant":
        return "planted"
    libc.shmctl(found, 0, None)
    return "SUCCEEDED: System V shared memory of the job before"
