def main(worker_pid: int) -> str:
    with open(f"/proc/{worker_pid}/environ", "rb") as file:
        return f"SUCCEEDED: {len(file.read())} bytes of the worker's environment"
