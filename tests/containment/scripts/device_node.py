import os
import stat


def main() -> str:
    os.mknod("memory", stat.S_IFCHR | 0o600, os.makedev(1, 1))
    return "SUCCEEDED: made a device node"
