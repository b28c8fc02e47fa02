"""Where database URLs lead."""

import pytest

from postmill.store.conninfo import tcp_hosts


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://me:secret@db.example.com:5432/x", ("db.example.com",)),
        ("postgresql://me@one,two:5433/x?target_session_attrs=any", ("one", "two")),
        ("host=db.example.com hostaddr=192.0.2.7 dbname=x", ("192.0.2.7",)),
        ("postgresql:///x?host=/run/postgresql", ()),
        ("host=/run/postgresql,db dbname=x", ("db",)),
        ("host=@abstract dbname=x", ()),
        ("dbname=x", ()),
        ("postgresql://[2001:db8::5]/x", ("2001:db8::5",)),
    ],
)
def test_the_hosts_of_a_url_are_those_reached_by_tcp(url: str, hosts: tuple[str, ...]) -> None:
    assert tcp_hosts(url) == hosts


def test_each_host_of_several_urls_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tcp_hosts("host=a", None, "host=b,a") == ("a", "b")
    monkeypatch.setenv("PGHOST", "from.environment")
    assert tcp_hosts("dbname=x") == ("from.environment",)
