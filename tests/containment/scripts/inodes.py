import os


def main() -> str:
    made = 0
    try:
        for at in range(2000):
            os.close(os.open(f"/tmp/node.{at}", os.O_CREAT, 0o600))
            made += 1
    finally:
        for at in range(made):
            os.remove(f"/tmp/node.{at}")
    return f"SUCCEEDED: {made} files"
