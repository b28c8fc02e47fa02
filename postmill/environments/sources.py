"""Where packages come from, as this instance was told: index, certificates, proxies; and what of it is a secret."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from postmill.model.errors import BadRequest
from postmill.settings import Settings

_CA = ".postmill/ca.pem"
HIDDEN = "****"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Of one process. Nothing of it but `public` is ever printed."""

    index_url: str = ""
    """"": the resolver's own default, PyPI."""
    extra_index_url: tuple[str, ...] = ()
    """Asked before the other one: a name that is found here is never looked for there."""
    ca_file: str = ""
    ca: bytes = b""
    """The content of `ca_file`: certificates that are believed, PEM."""
    proxies: tuple[tuple[str, str], ...] = ()
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY: name → value."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Passwords, also with their user names: as they are written and as they are meant."""
        found: dict[str, None] = {}
        for address in (self.index_url, *self.extra_index_url, *(value for _, value in self.proxies)):
            part = _userinfo(address)
            for text in (part, *part.split(":", 1)[1:]):
                for form in (text, unquote(text)):
                    if len(form) >= 4:
                        found[form] = None
        return tuple(found)

    @property
    def confidential(self) -> bool:
        """A password is among them: no package's own code may run where the resolver has it."""
        addresses = (self.index_url, *self.extra_index_url, *(value for _, value in self.proxies))
        return any(_userinfo(address) for address in addresses)

    @property
    def public(self) -> str:
        """The indexes without passwords: one line that tells two instances' sources apart."""
        return " ".join(map(without_credentials, (self.index_url or "pypi", *self.extra_index_url)))

    def hide(self, text: str) -> str:
        """`text` without the secrets."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def environment(self, ca_file: str) -> dict[str, str]:
        """For uv, all that it is told; `ca_file` is where the certificates lie for it."""
        env = {
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "NO_COLOR": "1",
            **dict(self.proxies),
        }
        if self.index_url:
            env["UV_DEFAULT_INDEX"] = self.index_url
        if self.extra_index_url:
            env["UV_INDEX"] = " ".join(self.extra_index_url)
        if ca_file:
            env["SSL_CERT_FILE"] = ca_file
        return env

    def jailed_environment(self) -> dict[str, str]:
        return self.environment(f"/job/{_CA}" if self.ca else "")

    def jailed_files(self) -> dict[str, bytes]:
        """Files below /job that `jailed_environment` names."""
        return {_CA: self.ca} if self.ca else {}


def sources(settings: Settings) -> Sources:
    """Raises BadRequest when SSL_CERT_FILE cannot be read."""
    ca = b""
    if settings.ca_file:
        try:
            ca = Path(settings.ca_file).read_bytes()
        except OSError as error:
            raise BadRequest(f"SSL_CERT_FILE={settings.ca_file}: {error.strerror}") from None
    return Sources(
        index_url=settings.index_url or "",
        extra_index_url=settings.extra_index_url,
        ca_file=os.path.abspath(settings.ca_file) if settings.ca_file else "",
        ca=ca,
        proxies=settings.proxies,
    )


def index_of(settings: Settings) -> str:
    """`Sources.public` of these settings, without a look at any file."""
    return Sources(index_url=settings.index_url or "", extra_index_url=settings.extra_index_url).public


def without_credentials(address: str) -> str:
    """The address as it may be shown."""
    return re.sub(r"//[^/@]*@", "//", address)


def _userinfo(address: str) -> str:
    try:
        return urlsplit(address if "://" in address else f"//{address}").netloc.rpartition("@")[0]
    except ValueError:
        return ""
