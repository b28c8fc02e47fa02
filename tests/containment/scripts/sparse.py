import os


def main() -> str:
    with open("sparse", "wb") as file:
        os.truncate(file.fileno(), 10**9)
    return "SUCCEEDED: a file of 1 GB"
