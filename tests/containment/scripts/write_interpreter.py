import os
import sys


def main(mark: str) -> str:
    path = f"{sys.base_prefix}/postmill-{mark}"
    with open(path, "w"):
        os.remove(path)
    return "SUCCEEDED: the interpreter of all jobs can be changed"
