"""The effect ledger: a tiny HTTP server outside of the system under test, with an append-only file.

A job POSTs `{"job", "step", "attempt", "nonce"}` as its side effect. The ledger survives every kill of the scenario, so
that effects are counted outside of what is tested.
"""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Ledger:
    """Runs in a thread of the test process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    # Its sender was killed half-way: nothing took effect.
                    self.close_connection = True
                    return
                with lock, path.open("ab") as file:
                    file.write(body.replace(b"\n", b" ") + b"\n")
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: the file is the log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def effects(self) -> Counter[str]:
        """Job → how often it took effect."""
        return Counter(entry["job"] for entry in self.entries())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
