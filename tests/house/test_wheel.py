"""The wheel brings all that an installation needs: the built UI, the SQL, the migrations, what runs in the jail."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def test_the_wheel_contains_the_ui_and_everything_that_is_not_python(tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--out-dir", tmp_path, ROOT], check=True, timeout=300)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "postmill/ui/index.html" in names
    assert any(name.startswith("postmill/ui/_app/immutable/") and name.endswith(".js") for name in names)
    wanted = {
        str(path.relative_to(ROOT))
        for folder in ("store", "executors", "sandbox")
        for path in (ROOT / "postmill" / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    wanted |= {f"postmill/{path.relative_to(ROOT)}" for path in (ROOT / "examples").rglob("*") if path.is_file()}
    assert wanted <= names
    assert not [name for name in names if "node_modules" in name or name.startswith(("tests/", "web/"))]
