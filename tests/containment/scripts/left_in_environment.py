import os


def main(step: str) -> str:
    if step == "plant":
        os.environ["LEFT"] = "left"
        return "planted"
    return f"SUCCEEDED: {os.environ['LEFT']} by the job before"
