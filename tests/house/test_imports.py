"""The contracts of pyproject.toml: rooms, purity, SQL, the command line."""

import subprocess
import sys
from pathlib import Path


def test_the_import_contracts_hold() -> None:
    # Its own process: import-linter sets up logging anew, which silences the loggers that other tests listen to.
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
