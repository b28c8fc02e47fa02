import socket


def main() -> str:
    """No packet is sent: connecting a datagram socket asks for a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("192.0.2.1", 9))
        return f"SUCCEEDED: sends from {client.getsockname()[0]}"
