import socket


def main(database_socket: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(database_socket)
    return "SUCCEEDED: connected to the platform's database"
