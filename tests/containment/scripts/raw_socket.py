import socket


def main() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return "SUCCEEDED: reads and forges packets"
