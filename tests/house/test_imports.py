"""The contracts of pyproject.toml: rooms, purity, SQL, the command line."""

from importlinter import cli


def test_the_import_contracts_hold() -> None:
    assert cli.lint_imports(config_filename="pyproject.toml", no_cache=True) == cli.EXIT_STATUS_SUCCESS
