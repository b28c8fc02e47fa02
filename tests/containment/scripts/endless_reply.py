import os


def main() -> None:
    os.write(3, b'R"SUCCEEDED ')
    for _ in range(300):
        os.write(3, b"x" * 10_000)
    os.write(3, b'"')
    os._exit(0)
