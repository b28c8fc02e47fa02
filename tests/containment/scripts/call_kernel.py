import ctypes
import os
import struct

PAGE = ctypes.create_string_buffer(4096)
# Each so that a kernel which lets it through does nothing, or takes offence at an argument later than at the caller.
CALLS = {
    "pivot_root": (155, 41, (b"/", b"/")),
    "bpf": (321, 280, (0, ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1), 128), 128)),
    "io_uring_setup": (425, 425, (1, PAGE)),
    "perf_event_open": (
        298,
        241,
        (ctypes.create_string_buffer(struct.pack("IIQQQQQ", 1, 64, 1, 0, 0, 0, 1 << 5 | 1 << 6), 64), 0, -1, -1, 0),
    ),
    "userfaultfd": (323, 282, (1,)),
    "init_module": (175, 105, (PAGE, 0, b"")),
    "reboot": (169, 142, (0xFEE1DEAD - (1 << 32), 672274793, 1, 0)),
    "sethostname": (170, 161, (b"job", 3)),
    "settimeofday": (164, 170, (0, struct.pack("ii", 0, 0))),
    "add_key": (248, 217, (b"user", b"postmill", b"x", 1, -2)),
    "open_by_handle_at": (304, 265, (3, struct.pack("Ii", 8, 1) + bytes(8), 0)),
}


def main(call: str) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    x86_64, aarch64, arguments = CALLS[call]
    number = x86_64 if os.uname().machine == "x86_64" else aarch64
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    answer = libc.syscall(ctypes.c_long(number), *words)
    error = ctypes.get_errno()
    if answer >= 0:
        return f"SUCCEEDED: {call} did it"
    # EPERM, and ENOSYS where the filter says so; another error is the kernel's, about what was asked.
    if error == 1 or (error == 38 and call.startswith("io_uring")):
        raise OSError(error, os.strerror(error))
    return f"SUCCEEDED: {call} came through to the kernel ({os.strerror(error)})"
