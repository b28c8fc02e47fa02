import os
import time


def main(mark: str) -> str:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3):
                os.close(fd)
            os.execv("/bin/sleep", ["sleep", mark])
        os._exit(0)
    time.sleep(0.2)
    return "left one behind"
