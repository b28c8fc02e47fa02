import ctypes
import os


def main(step: str, mark: str) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    # O_RDWR, and O_CREAT to plant.
    if libc.mq_open(f"/{mark}".encode(), 2 | (0o100 if step == "plant" else 0), 0o666, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if step == "plant":
        return "planted"
    libc.mq_unlink(f"/{mark}".encode())
    return "SUCCEEDED: a message queue of the job before"
