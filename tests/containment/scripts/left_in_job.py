import os


def main(step: str) -> str:
    if step == "plant":
        with open("left", "w"):
            return "planted"
    if os.path.exists("left"):
        os.remove("left")
        return "SUCCEEDED: found the file of the job before"
    raise FileNotFoundError("nothing is left")
