import socket


def main() -> str:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0):
        return "SUCCEEDED: reads all packets of the machine"
