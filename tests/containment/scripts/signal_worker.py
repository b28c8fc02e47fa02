import os


def main(worker_pid: int) -> str:
    os.kill(worker_pid, 0)
    return "SUCCEEDED: could have killed the worker"
