import os

FORGERIES = {
    "bad": b"R{SUCCEEDED",
    "two": b'R"SUCCEEDED"E{"name": "Two", "message": "", "stack": ""}',
    "letter": b'X"SUCCEEDED"',
    "deep": b"R" + b"[" * 100_000 + b'"SUCCEEDED"' + b"]" * 100_000,
    "not_a_number": b'R["SUCCEEDED", NaN]',
    "error": b'E["SUCCEEDED"]',
    "encoding": b'R"SUCCEEDED \xff"',
}


def main(call: str) -> None:
    left = FORGERIES[call]
    while left:
        left = left[os.write(3, left) :]
    os._exit(0)
