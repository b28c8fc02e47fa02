"""The filtered network, for real, on a machine that is played in namespaces of its own; never in this machine's own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from postmill.sandbox import network
from postmill.sandbox.network import Plan, Unavailable, name_servers, open_network
from postmill.sandbox.network_rules import METADATA, Rules

_TOOLS = all(shutil.which(tool, path=network._PATHS) for tool in ("ip", "nft", "unshare"))
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
played = pytest.mark.skipif(os.geteuid() != 0 or not _TOOLS, reason="needs root, iproute2 and nftables")
REFUSED = "OSError"
"""How a prohibition arrives: EHOSTUNREACH."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was seen on the machine that filtered_machine.py plays."""
    program = Path(__file__).with_name("filtered_machine.py")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(program), str(tmp_path_factory.mktemp("machine"))],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@played
def test_a_job_reaches_the_world(seen: dict[str, Any]) -> None:
    found = seen["filtered"]
    assert found["web in the world"] == "web:hello"
    assert found["udp in the world"] == "udp:hello"
    assert found["somebody else's database"] == "database:hello"


@played
def test_metadata_and_the_database_are_refused(seen: dict[str, Any]) -> None:
    found = seen["filtered"]
    for name in ("metadata", "database", "another port of the database's host", "ipv6"):
        assert found[name] == REFUSED, name


@played
def test_the_machine_itself_is_refused_at_each_of_its_addresses(seen: dict[str, Any]) -> None:
    assert seen["filtered"]["service of the machine"] == REFUSED
    assert seen["filtered"]["api's port on the machine's address"] == REFUSED
    assert seen["gateway"] == REFUSED
    assert seen["filtered"]["loopback of the machine"] == "ConnectionRefusedError"


@played
def test_the_api_answers_at_its_own_address(seen: dict[str, Any]) -> None:
    assert seen["filtered"]["api"] == "api:hello"
    assert seen["api elsewhere"]["api's port on the machine's address"] == "api outside:hello"
    assert seen["api elsewhere"]["service of the machine"] == REFUSED
    assert seen["api elsewhere"]["api"] == "ConnectionRefusedError"


@played
def test_names_are_found_by_a_server_in_the_world_and_by_one_on_the_machines_loopback(seen: dict[str, Any]) -> None:
    found = seen["filtered"]
    assert found["name server"] == "names:hello"
    assert found["name server by tcp"] == "tcp names:hello"
    assert found["name server on the machine's loopback"] == "stub:hello"
    assert found["the same by tcp"] == "tcp stub:hello"


@played
def test_rules_that_somebody_took_away_and_a_relay_that_died_are_put_back(seen: dict[str, Any]) -> None:
    """With what the database's name has come to mean."""
    before, after = seen["filtered"], seen["after a flush"]
    assert before["its later address"] == "database:hello"
    assert after == {**before, "its later address": REFUSED}


@played
def test_nothing_is_left_of_it(seen: dict[str, Any]) -> None:
    assert seen["tables at the end"] == []
    assert seen["links at the end"] == []


@played
def test_what_a_killed_worker_leaves_is_swept_by_the_next(seen: dict[str, Any]) -> None:
    assert seen["leftovers"] == {"tables of the dead": 1, "links of the dead": [], "tables then": 1}


@played
def test_it_is_said_when_another_firewall_may_refuse_more(seen: dict[str, Any]) -> None:
    assert seen["note"] == ""
    assert "table ip other, chain forward" in seen["another firewall"]


@played
def test_a_machine_that_does_not_forward_has_none_and_says_what_to_do(seen: dict[str, Any]) -> None:
    told = seen["without forwarding"]
    assert told.startswith("network: filtered is not available here: ")
    assert "sysctl -w net.ipv4.ip_forward=1" in told


@root
def test_without_the_tools_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(network, "_PATHS", str(tmp_path))
    found = open_network(Plan(api=("127.0.0.1", 8000)))
    assert isinstance(found, Unavailable)
    assert found.reason == "there is no program 'ip' (package iproute2)"


def test_an_ordinary_user_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = open_network(Plan(api=("127.0.0.1", 8000)))
    assert isinstance(found, Unavailable)
    assert found.refusal == "network: filtered is not available here: the worker does not run as root"


@root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_root_without_the_right_to_it_has_none() -> None:
    code = "from postmill.sandbox.network import *; print(open_network(Plan(api=('127.0.0.1', 8000))).reason)"
    without = ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
    done = subprocess.run(
        ["setpriv", *without, sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "the worker has no CAP_NET_ADMIN and CAP_SYS_ADMIN", done.stderr


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 127.0.0.53\nsearch example.com\n", ["127.0.0.53"]),
        ("# nameserver 1.1.1.1\nnameserver 9.9.9.9 \nnameserver\t2001:db8::53\n", ["9.9.9.9", "2001:db8::53"]),
        ("nameserver fe80::1%eth0\nnameserver nobody\nnameserver 9.9.9.9\nnameserver 9.9.9.9\n", ["9.9.9.9"]),
        ("", ["127.0.0.1"]),
    ],
)
def test_name_servers_as_the_resolver_reads_them(text: str, servers: list[str]) -> None:
    assert name_servers(text) == servers


def test_the_rules_name_what_they_let_through_before_what_they_refuse() -> None:
    rules = Rules(
        table="t",
        link="l",
        job="198.19.0.2",
        api=("192.0.2.9",),
        api_port=8000,
        servers=("169.254.169.253",),
        refused=(),
    )
    text = rules.text()
    assert "ip daddr 192.0.2.9 tcp dport 8000 accept" in text
    assert "ip daddr 169.254.169.253 udp dport 53 accept" in text
    assert all(each in text for each in METADATA)
    outward = text[text.index("chain outward") :]
    assert outward.index("jump allowed") < outward.index("@metadata reject") < outward.index("@refused reject")
