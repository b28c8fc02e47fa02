import builtins
import json


def main(step: str) -> str:
    if step == "plant":
        builtins.left = True  # type: ignore[attr-defined]
        json.dumps = lambda *_, **__: '"SUCCEEDED: by the job before"'
        return "planted"
    if hasattr(builtins, "left"):
        return "SUCCEEDED: runs in the interpreter of the job before"
    raise AttributeError("nothing is left")
