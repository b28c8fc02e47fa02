import threading


def main() -> str:
    end = threading.Event()
    begun: list[threading.Thread] = []
    try:
        for _ in range(60):
            thread = threading.Thread(target=end.wait)
            thread.start()
            begun.append(thread)
        return f"SUCCEEDED: {len(begun)} threads"
    finally:
        end.set()
