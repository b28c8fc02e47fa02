def main(secret_file: str) -> str:
    with open(secret_file) as file:
        return f"SUCCEEDED: {file.read()}"
