"""`network: filtered`: a network of a worker's own, from which the machine's and the platform's own parts are not seen.

A network namespace, joined to the machine by a veth pair (198.19.x.y/30) and masqueraded. Rules in a table of our own
refuse what leads to the machine itself, to metadata services, and to the platform's database; the API's port and the
name servers' port 53 are let through. IPv4 alone: to forward IPv6, a machine has to stop taking router advertisements.

What the machine has on its loopback is not on the namespace's: the API there, or a name server such as 127.0.0.53, is
reached by a relay (`relay.py`) that listens in the namespace at the same address.

The namespace is held by a descriptor and by the processes in it, the veth pair by the namespace: kill -9 leaves nothing
but a table whose link is gone, which the next worker sweeps. Forwarding is not switched on here, as it concerns all of
the machine.
"""

import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from postmill.sandbox import relay
from postmill.sandbox.mark import own_mark
from postmill.sandbox.network_rules import Address, Rules
from postmill.sandbox.syscalls import CLONE_NEWNET, loopback_up, unshare

log = logging.getLogger("postmill.sandbox")

_TABLE = "postmill_"
_LINK = "pmill"
_INSIDE = "eth0"
_RANGE = ipaddress.IPv4Network("198.19.0.0/16")
"""Reserved for tests between networks, so that nobody else is meant by it."""
_TRIES = 64
_CAPABILITIES = (1 << 12) | (1 << 21)
"""CAP_NET_ADMIN and CAP_SYS_ADMIN."""
_PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DNS = 53
_PATIENCE_S = 20.0
_REFRESH_S = 10.0


@dataclass(frozen=True, slots=True)
class Unavailable:
    """There is no filtered network here."""

    reason: str

    @property
    def refusal(self) -> str:
        """What a job is told that asks for it."""
        return f"network: filtered is not available here: {self.reason}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rules are made from."""

    api: Address
    """Where jobs reach the API: host or address, and port."""
    refused: tuple[str, ...] = ()
    """Names or addresses of the platform's database."""
    resolv_conf: Path = field(default=Path("/etc/resolv.conf"))


class _Failed(Exception):
    """A step did not work; the text says which."""


def open_network(plan: Plan) -> "Filtered | Unavailable":
    """Make it (some 50 ms), after what dead workers left was swept. Never raises.

    Enter it with `setns(network.netns, CLONE_NEWNET)`.
    """
    reason = _missing()
    if reason:
        return Unavailable(reason)
    network = None
    try:
        _sweep()
        network = Filtered(plan)
        network.make()
    except (_Failed, OSError) as error:
        if network is not None:
            network.close()
        return Unavailable(str(error))
    return network


class Filtered:
    """The network of one worker; `close` takes all of it away."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._link = ""
        self._rules: Rules | None = None
        self._relay: relay.Relay | None = None
        self.netns = -1
        """A descriptor of the namespace."""
        self.note = ""
        """What may keep it from working, in the words for an administrator."""

    @property
    def netns_path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self.netns}"

    def make(self) -> None:
        """Raises _Failed or OSError; `close` then takes back what was made."""
        servers = name_servers(self._plan.resolv_conf.read_text() if self._plan.resolv_conf.exists() else "")
        api, refused = _addresses(self._plan.api[0]), self._resolved()
        # In a thread, as a namespace is a thread's own affair: what it starts is inside too.
        with ThreadPoolExecutor(1) as inside:
            self.netns = inside.submit(_new_namespace).result()
            machine, job = self._join()
            self._rules = Rules(
                table=f"{_TABLE}{self._link}",
                link=self._link,
                job=str(job),
                api=tuple(sorted(address for address in api if not _loops(address))),
                api_port=self._plan.api[1],
                servers=tuple(server for server in servers if not _relayed(server)),
                refused=tuple(sorted(refused)),
            )
            _run("nft", "-f", "-", told=self._rules.text())
            _run("ip", "address", "add", f"{machine}/30", "dev", self._link)
            _run("ip", "link", "set", self._link, "up")
            ports = [("tcp", address, self._plan.api[1]) for address in sorted(api) if _loops(address)]
            ports += [(kind, server, _DNS) for server in servers if _relayed(server) for kind in ("udp", "tcp")]
            sockets = inside.submit(_furnish, str(machine), str(job), ports).result()
        # From here on outside again.
        if ports:
            self._relay = relay.Relay(ports, sockets, own_mark())
        self.note = _dropped_elsewhere(self._rules.table)

    def refresh(self) -> None:
        """Refuse the database's addresses of now as well; see that the rules and the relay are there. Never raises."""
        if self._rules is None:
            return
        try:
            refused = {*self._rules.refused, *self._resolved()}
        except (_Failed, OSError) as error:
            log.warning("the filter keeps the database's former addresses", extra={"why": str(error)})
            refused = {*self._rules.refused}
        if self._relay is not None:
            self._relay.keep()
        rules = replace(self._rules, refused=tuple(sorted(refused)))
        try:
            if rules != self._rules or rules.table not in _tables():
                if rules == self._rules:
                    log.warning("somebody took the rules of the filtered network away; they are put back")
                _run("nft", "-f", "-", told=rules.text())
                self._rules = rules
        except (_Failed, OSError) as error:
            log.error("the rules of the filtered network cannot be seen to", extra={"why": str(error)})

    async def keep_current(self) -> None:
        """`refresh` every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_REFRESH_S)
            await asyncio.to_thread(self.refresh)

    def close(self) -> None:
        """Take it away. Idempotent; never raises."""
        if self._relay is not None:
            self._relay.close()
            self._relay = None
        with contextlib.suppress(_Failed):
            if self._link:
                _run("ip", "link", "delete", self._link)
            if self._rules is not None:
                _run("nft", "delete", "table", "inet", self._rules.table)
        self._link, self._rules = "", None
        if self.netns >= 0:
            os.close(self.netns)
            self.netns = -1

    def _resolved(self) -> set[str]:
        return {address for host in self._plan.refused for address in _addresses(host)}

    def _join(self) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
        """Make the veth pair, in a subnet that is free here: the machine's address and the job's."""
        taken = _routes()
        subnets = 1 << (30 - _RANGE.prefixlen)
        problem = "all its subnets are taken"
        for number in range(_TRIES):
            index = (os.getpid() + number) % subnets
            subnet = ipaddress.IPv4Network((int(_RANGE.network_address) + 4 * index, 30))
            if any(subnet.overlaps(each) for each in taken):
                continue
            try:
                # The name is the claim on the subnet: two workers cannot both have it.
                peer = ("peer", "name", _INSIDE, "netns", self.netns_path)
                _run("ip", "link", "add", f"{_LINK}{index}", "type", "veth", *peer)
            except _Failed as error:
                problem = str(error)
                if "exists" not in problem:
                    break
                continue
            self._link = f"{_LINK}{index}"
            return subnet[1], subnet[2]
        raise _Failed(f"no veth pair can be made: {problem}")


def name_servers(resolv_conf: str) -> list[str]:
    """The addresses that a resolv.conf(5) names; without any it is this machine."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            with contextlib.suppress(ValueError):
                # A link-local one, with its interface, cannot be reached from another network.
                if "%" not in words[1]:
                    found.append(str(ipaddress.ip_address(words[1])))
    return list(dict.fromkeys(found)) or ["127.0.0.1"]


def _loops(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _relayed(server: str) -> bool:
    """Whether it cannot be reached by rules alone: on the machine's loopback, or by IPv6, which is not let out."""
    return _loops(server) or ipaddress.ip_address(server).version == 6


def _new_namespace() -> int:
    unshare(CLONE_NEWNET)
    loopback_up()
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _furnish(machine: str, job: str, ports: Sequence[relay.Port]) -> list[socket.socket]:
    """Inside: address, route, and the sockets of the relay."""
    _run("ip", "address", "add", f"{job}/30", "dev", _INSIDE)
    _run("ip", "link", "set", _INSIDE, "up")
    _run("ip", "route", "add", "default", "via", machine)
    for address in sorted({address for _, address, _ in ports if not _loops(address)}):
        _run("ip", "-6", "address", "add", f"{address}/128", "dev", "lo", "nodad")
    return relay.listen(ports)


def _addresses(host: str) -> set[str]:
    """IPv4 addresses of a name.

    Raises:
        _Failed: it has none, or nobody knows.
    """
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)}
    except OSError as error:
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host).version == 6:
                # Out of reach anyway.
                return set()
        raise _Failed(f"the address of {host} is not known: {error}") from None


def _routes() -> list[ipaddress.IPv4Network]:
    found = []
    for route in json.loads(_run("ip", "-j", "-4", "route", "show") or "[]"):
        with contextlib.suppress(ValueError):
            found.append(ipaddress.IPv4Network(route["dst"]))
    return [network for network in found if network.prefixlen > 0]


def _missing() -> str:
    """What this machine lacks; "" when nothing."""
    if os.geteuid() != 0:
        return "the worker does not run as root"
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) & _CAPABILITIES != _CAPABILITIES:
            return "the worker has no CAP_NET_ADMIN and CAP_SYS_ADMIN"
    for tool, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(tool, path=_PATHS) is None:
            return f"there is no program {tool!r} (package {package})"
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() != "1":
        return "this machine forwards no packets; `sysctl -w net.ipv4.ip_forward=1` lets it"
    return ""


def _sweep() -> None:
    """Remove the tables whose link went with its worker."""
    links = {name for _, name in socket.if_nameindex()}
    for table in _tables():
        if table.startswith(f"{_TABLE}{_LINK}") and table.removeprefix(_TABLE) not in links:
            _run("nft", "delete", "table", "inet", table)


def _tables() -> list[str]:
    tables = [entry["table"] for entry in _listed("tables") if "table" in entry]
    return [table["name"] for table in tables if table["family"] == "inet"]


def _dropped_elsewhere(table: str) -> str:
    """Another firewall that drops what is forwarded would drop ours too: what we accept, it may still refuse."""
    for entry in _listed("chains"):
        chain = entry.get("chain", {})
        if chain.get("hook") == "forward" and chain.get("policy") == "drop" and chain.get("table") != table:
            where = f"table {chain['family']} {chain['table']}, chain {chain['name']}"
            return f"another firewall drops forwarded packets by default ({where}): let it accept the links {_LINK}*"
    return ""


def _listed(what: str) -> Iterable[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = json.loads(_run("nft", "-j", "list", what))["nftables"]
    return found


def _run(tool: str, *arguments: str, told: str = "") -> str:
    program = shutil.which(tool, path=_PATHS) or tool
    try:
        done = subprocess.run(
            [program, *arguments], input=told, capture_output=True, text=True, timeout=_PATIENCE_S, env={"PATH": _PATHS}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Failed(f"{tool}: {error}") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise _Failed(f"{tool} {' '.join(arguments[:3])}: {said[0][:300]}")
    return done.stdout
