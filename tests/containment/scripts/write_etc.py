import os


def main(mark: str) -> str:
    path = f"/etc/postmill-{mark}"
    with open(path, "w"):
        os.remove(path)
    return "SUCCEEDED: wrote to /etc"
