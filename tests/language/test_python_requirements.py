"""What a Python source wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.language.python_distributions import DISTRIBUTIONS, distribution
from postmill.language.python_requirements import (
    Requirements,
    Unclear,
    file_lines,
    file_names,
    read_requirements,
    requirements,
)


def lines(source: str, modules: dict[str, str] | None = None, files: dict[str, str] | None = None) -> list[str]:
    return list(requirements(source, modules or {}, files or {}).lines)


def python(source: str) -> str:
    return requirements(source, {}, {}).python


def test_imports_become_distributions() -> None:
    source = "import yaml\nfrom bs4 import BeautifulSoup\nimport requests.adapters as a, os, sys\n"
    assert lines(source) == ["beautifulsoup4", "PyYAML", "requests"]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("import cv2", ["opencv-python-headless"]),
        ("import PIL.Image", ["pillow"]),
        ("from sklearn import svm", ["scikit-learn"]),
        ("import psycopg2", ["psycopg2-binary"]),
        ("from dateutil.parser import parse", ["python-dateutil"]),
        ("import some_module", ["some-module"]),
        ("from google.cloud import storage, bigquery", ["google-cloud-bigquery", "google-cloud-storage"]),
        ("import google.cloud.pubsub_v1.types", ["google-cloud-pubsub"]),
        ("from google import genai", ["google-genai"]),
        ("import azure.storage.blob", ["azure-storage-blob"]),
        ("from snowflake.connector import connect", ["snowflake-connector-python"]),
        ("import mpl_toolkits.mplot3d", ["matplotlib"]),
    ],
)
def test_names_that_differ_are_known(source: str, wanted: list[str]) -> None:
    assert lines(source) == wanted


def test_the_table_has_no_entry_that_its_own_name_would_find() -> None:
    assert len(DISTRIBUTIONS) > 150
    spaces = {name.partition(".")[0] for name in DISTRIBUTIONS if "." in name}
    plain = {name: found for name, found in DISTRIBUTIONS.items() if "." not in name and name not in spaces}
    assert not [name for name, found in plain.items() if name.replace("_", "-").lower() == found.lower()]
    assert all(distribution(name) == found for name, found in DISTRIBUTIONS.items())


def test_imports_in_functions_count_and_those_for_types_do_not() -> None:
    source = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\nelse:\n    import polars\n"
        "def main():\n    try:\n        import httpx\n    except ImportError:\n        pass\n"
    )
    assert lines(source) == ["httpx", "polars"]


def test_the_workspace_and_the_standard_library_need_nothing() -> None:
    source = "from f.team import money\nimport u.ann.tools\nfrom . import near\nfrom ..up import x\nimport json\n"
    assert requirements(source, {}, {}).empty


def test_libraries_bring_what_they_want() -> None:
    modules = {"f/a/one": "import yaml\n", "f/a/two": "# requirements:\n# six==1.0\nimport anything\n"}
    assert lines("import requests\nfrom f.a import one, two\n", modules) == ["PyYAML", "requests", "six==1.0"]


def test_a_list_of_requirements_replaces_the_imports() -> None:
    source = "# requirements:\n# pandas>=2  # why\n#six[x,y]==1.0; python_version < '4'\n#\n# not one\nimport yaml\n"
    assert lines(source) == ["pandas>=2", "six[x,y]==1.0; python_version < '4'"]
    assert lines("#requirements:\n#six\n\n#rich\nimport yaml") == ["six"]


def test_an_empty_list_wants_nothing() -> None:
    assert requirements("# requirements:\nimport yaml\n", {}, {"default": "numpy"}).empty


def test_extra_requirements_are_added_to_the_imports() -> None:
    assert lines("# extra_requirements:\n# pyarrow\nimport pandas\n") == ["pandas", "pyarrow"]


def test_a_pin_is_for_one_import() -> None:
    assert lines("import bs4  # pin: beautifulsoup4==4.12.3\nimport yaml\n") == ["beautifulsoup4==4.12.3", "PyYAML"]
    assert lines("from x import (\n    a,\n    b,  # pin: xx>=2\n)\n") == ["xx>=2"]


def test_pins_of_several_files_are_all_wanted_unless_one_pins_again() -> None:
    modules = {"f/a/b": "import six  # pin: six==1.0\n"}
    assert lines("import six  # pin: six==2.0\n", modules) == ["six==1.0", "six==2.0"]
    assert lines("import six  # repin: six==2.0\n", modules) == ["six==2.0"]


def test_a_block_of_pep_723_replaces_the_imports_and_names_the_python() -> None:
    source = (
        '# /// script\n# requires-python = ">=3.12"\n# dependencies = [\n#   "six<2",\n#   "rich",\n# ]\n# ///\n'
        "import yaml\n"
    )
    found = requirements(source, {}, {})
    assert (found.lines, found.python) == (("rich", "six<2"), ">=3.12")


@pytest.mark.parametrize(
    ("comment", "wish"),
    [
        ("# py: >=3.12", ">=3.12"),
        ("#py: 3.12", "==3.12.*"),
        ("# py312", "==3.12.*"),
        ("#py311", "==3.11.*"),
        ("# py: ==3.12.4", "==3.12.4"),
        ("# py: >=3.11, <3.13", ">=3.11,<3.13"),
        ("# python is nice", ""),
        ("# pyramid", ""),
    ],
)
def test_a_comment_names_the_python(comment: str, wish: str) -> None:
    assert python(f"{comment}\nimport os\n") == wish


def test_comments_in_text_and_behind_code_are_no_directives() -> None:
    source = 'x = """\n# requirements:\n# six\n"""\ny = 1  # py: 3.12\nimport rich\n'
    assert requirements(source, {}, {}) == Requirements(("rich",), "")


def test_the_unnamed_file_is_for_all_who_do_not_say_exactly() -> None:
    files = {"default": "numpy<2  # old\n\n# a comment\npandas\n", "ml": "torch\n"}
    assert lines("import yaml", files=files) == ["numpy<2", "pandas", "PyYAML"]
    assert lines("# requirements: ml\nimport yaml", files=files) == ["torch"]
    assert lines("# requirements: ml, default\nimport yaml", files=files) == ["numpy<2", "pandas", "torch"]
    assert lines("# extra_requirements: ml\nimport yaml", files=files) == ["numpy<2", "pandas", "PyYAML", "torch"]
    assert lines("# requirements:\n# six\n", files=files) == ["six"]


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(Unclear, match="no workspace dependency file 'mll'; there are: ml"):
        lines("# requirements: mll\n", files={"ml": "torch"})


def test_which_files_a_source_is_given() -> None:
    assert file_names("import yaml") == ("default",)
    assert file_names("# requirements: ml, ml2") == ("ml", "ml2")
    assert file_names("# extra_requirements: ml") == ("ml", "default")
    assert file_names("# requirements:\n# six") == ()
    assert file_names("# py: what") == ("default",)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example/simple",
        "-r other.txt",
        "-e .",
        "six @ https://evil.example/six.whl",
        "six @ file:///etc/passwd",
        "https://evil.example/six.whl",
        "git+https://evil.example/six",
        "./six",
        "/etc/passwd",
        "six --hash=sha256:00",
        "six\\",
        "six==\x071.0",
        "s" * 600,
    ],
)
def test_options_addresses_and_paths_are_refused(line: str) -> None:
    with pytest.raises(Unclear):
        lines(f"# requirements:\n# {line}\n")
    with pytest.raises(Unclear):
        file_lines(line)


@pytest.mark.parametrize(
    "source",
    [
        "# requirements: pandas>=2",
        "# py: three",
        "# /// script\n# dependencies = 3\n# ///\n",
        "# /// script\n# dependencies = [\n# ///\n",
        "# /// script\n# ///\n# /// script\n# dependencies = []\n# ///\n\n# /// script\n# dependencies = []\n# ///\n",
        "# requirements:\n" + "".join(f"# p{number}\n" for number in range(501)),
    ],
)
def test_what_cannot_be_read_is_refused(source: str) -> None:
    with pytest.raises(Unclear):
        lines(source)


def test_a_broken_source_is_read_as_far_as_it_goes() -> None:
    assert lines("import yaml\n# py312\ndef main(:\n  import rich\n")[:1] == ["PyYAML"]


def test_the_text_of_requirements_is_read_back() -> None:
    found = requirements("# py: >=3.12\nimport yaml, rich\n", {}, {})
    assert found.text() == "# py: >=3.12\nPyYAML\nrich\n"
    assert read_requirements(found.text()) == found
    assert read_requirements("# py: 3.11\nsix==1.0\n") == Requirements(("six==1.0",), "==3.11.*")
    assert read_requirements("") == Requirements()


@given(st.text(max_size=200))
def test_no_source_breaks_the_reading(source: str) -> None:
    try:
        requirements(source, {}, {})
    except Unclear:
        pass
    file_names(source)
