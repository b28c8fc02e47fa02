import os


def main() -> str:
    os.chroot("/")
    return "SUCCEEDED: changed its root"
