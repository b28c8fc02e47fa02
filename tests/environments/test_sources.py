"""Where packages come from, and that its passwords stay where they belong."""

from pathlib import Path

import pytest

from postmill.environments.sources import Sources, index_of, sources
from postmill.model.errors import BadRequest
from postmill.settings import Settings, read_settings


def test_passwords_are_hidden_as_written_and_as_meant() -> None:
    found = Sources(
        index_url="https://bob:p%40ssword@host/simple",
        extra_index_url=("https://tokentoken@other/simple",),
        proxies=(("HTTPS_PROXY", "http://me:proxypass@proxy:3128"),),
    )
    text = "GET https://bob:p%40ssword@host p@ssword tokentoken me:proxypass plain"
    hidden = found.hide(text)
    for secret in ("p%40ssword", "p@ssword", "tokentoken", "proxypass"):
        assert secret not in hidden
    assert hidden.endswith("plain")
    assert found.confidential
    assert found.public == "https://host/simple https://other/simple"


def test_without_passwords_nothing_is_confidential() -> None:
    found = Sources(index_url="https://host/simple", proxies=(("HTTP_PROXY", "proxy:3128"),))
    assert not found.confidential
    assert found.secrets == ()
    assert found.hide("https://host/simple") == "https://host/simple"
    assert Sources().public == "pypi"


def test_the_settings_are_read_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("certificates")
    settings = read_settings(
        {
            "POSTMILL_INDEX_URL": "https://bob:password@host/simple",
            "POSTMILL_EXTRA_INDEX_URL": "https://one/simple  https://two/simple",
            "POSTMILL_CACHE_SIZE": "1048576",
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
            "HTTPS_PROXY": "http://upper",
            "https_proxy": "http://lower",
            "NO_PROXY": "localhost",
        }
    )
    found = sources(settings)
    assert settings.cache_size == 1048576
    assert found.extra_index_url == ("https://one/simple", "https://two/simple")
    assert found.proxies == (("HTTPS_PROXY", "http://lower"), ("NO_PROXY", "localhost"))
    assert found.jailed_files() == {".postmill/ca.pem": b"certificates"}
    assert found.jailed_environment()["SSL_CERT_FILE"] == "/job/.postmill/ca.pem"
    assert found.environment(found.ca_file)["UV_DEFAULT_INDEX"] == "https://bob:password@host/simple"
    assert index_of(settings) == found.public


def test_a_setting_that_cannot_be_is_refused_without_repeating_it() -> None:
    with pytest.raises(BadRequest) as raised:
        read_settings({"POSTMILL_INDEX_URL": "ftp://bob:password@host"})
    assert "password" not in raised.value.message
    with pytest.raises(BadRequest, match=r"SSL_CERT_FILE=/nowhere/ca\.pem"):
        sources(Settings(ca_file="/nowhere/ca.pem"))
