import os


def main(secret_file: str) -> str:
    os.symlink(secret_file, "link")
    with open("link") as file:
        return f"SUCCEEDED: {file.read()}"
