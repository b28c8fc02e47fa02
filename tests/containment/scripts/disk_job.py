import os


def main() -> str:
    try:
        for at in range(4):
            with open(f"fill.{at}", "wb") as file:
                file.write(bytes(10_000_000))
    finally:
        for at in range(4):
            if os.path.exists(f"fill.{at}"):
                os.remove(f"fill.{at}")
    return "SUCCEEDED: 40 MB in /job"
