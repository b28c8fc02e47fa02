import socket


def main() -> str:
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM):
        return "SUCCEEDED: speaks to the hypervisor"
