"""Plays a machine, its network and a job in it, in namespaces of its own: `unshare -n python filtered_machine.py`.

The machine has one link to the world, 203.0.113.1, and services on its loopback and on that address. In the world there
are a name server, a database, a metadata service and a web server, each answering with its name. Prints JSON.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from postmill.sandbox.network import Filtered, Plan, Unavailable, open_network
from postmill.sandbox.syscalls import CLONE_NEWNET, loopback_up, setns, unshare

WORLD = ("203.0.113.2", "203.0.113.5", "203.0.113.6", "203.0.113.53", "169.254.169.254")
_PATIENCE_S = 5.0


def shell(command: str) -> None:
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)


def tcp(address: str, port: int, name: str) -> None:
    """A service that says its name, and back what it is told."""
    listening = socket.create_server((address, port))

    def serve() -> None:
        while True:
            with listening.accept()[0] as connection:
                connection.sendall(f"{name}:".encode() + connection.recv(100))

    threading.Thread(target=serve, daemon=True).start()


def udp(address: str, port: int, name: str) -> None:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((address, port))

    def serve() -> None:
        while True:
            data, sender = bound.recvfrom(2000)
            bound.sendto(f"{name}:".encode() + data, sender)

    threading.Thread(target=serve, daemon=True).start()


def world() -> int:
    """A namespace; returns a descriptor of it."""
    unshare(CLONE_NEWNET)
    loopback_up()
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def furnish_world() -> None:
    for address in WORLD:
        shell(f"ip address add {address}/24 dev w1")
    shell("ip link set w1 up")
    for port, name in ((80, "web"), (5432, "database"), (53, "tcp names")):
        tcp("0.0.0.0", port, name)
    udp("203.0.113.53", 53, "names")
    udp("203.0.113.2", 99, "udp")


def asked(kind: str, address: str, port: int) -> str:
    """The answer; the name of the error where there is none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as one:
        one.settimeout(_PATIENCE_S)
        try:
            one.connect((address, port))
            one.sendall(b"hello")
            return one.recv(100).decode()
        except OSError as error:
            return type(error).__name__


ASKED = {
    "web in the world": ("tcp", "203.0.113.2", 80),
    "udp in the world": ("udp", "203.0.113.2", 99),
    "metadata": ("tcp", "169.254.169.254", 80),
    "database": ("tcp", "203.0.113.5", 5432),
    "another port of the database's host": ("tcp", "203.0.113.5", 80),
    "somebody else's database": ("tcp", "203.0.113.2", 5432),
    "its later address": ("tcp", "203.0.113.6", 5432),
    "name server": ("udp", "203.0.113.53", 53),
    "name server by tcp": ("tcp", "203.0.113.53", 53),
    "name server on the machine's loopback": ("udp", "127.0.0.53", 53),
    "the same by tcp": ("tcp", "127.0.0.53", 53),
    "api": ("tcp", "127.0.0.1", 8000),
    "api's port on the machine's address": ("tcp", "203.0.113.1", 8000),
    "loopback of the machine": ("tcp", "127.0.0.1", 9000),
    "service of the machine": ("tcp", "203.0.113.1", 7000),
    "ipv6": ("tcp", "2001:db8::1", 80),
}


def answers(inside: ThreadPoolExecutor) -> dict[str, str]:
    return {name: inside.submit(asked, *what).result() for name, what in ASKED.items()}


def inside_of(network: Filtered) -> ThreadPoolExecutor:
    def enter() -> None:
        setns(network.netns, CLONE_NEWNET)

    return ThreadPoolExecutor(1, initializer=enter)


def furnish_machine(outside: ThreadPoolExecutor) -> None:
    shell("ip link set lo up")
    there = outside.submit(world).result()
    shell(f"ip link add w0 type veth peer name w1 netns /proc/{os.getpid()}/fd/{there}")
    outside.submit(furnish_world).result()
    shell("ip address add 203.0.113.1/24 dev w0 && ip link set w0 up && ip route add default via 203.0.113.2")
    tcp("127.0.0.1", 8000, "api")
    tcp("127.0.0.1", 9000, "secret")
    tcp("203.0.113.1", 7000, "service")
    tcp("203.0.113.1", 8000, "api outside")
    udp("127.0.0.53", 53, "stub")
    tcp("127.0.0.53", 53, "tcp stub")


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def tables() -> list[str]:
    found = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1] for line in found.splitlines() if "postmill_" in line]


def leftovers(plan: Plan) -> dict[str, Any]:
    """What a worker leaves that is killed, and what becomes of it."""
    code = f"{_PATHS}from tests.sandbox.filtered_machine import *\nkept = open_network({plan!r})\n"
    code = code.replace("PosixPath", "Path")
    subprocess.run([sys.executable, "-c", f"{code}os.kill(os.getpid(), 9)"], check=False, stdout=subprocess.DEVNULL)
    seen: dict[str, Any] = {"tables of the dead": len(tables())}
    until(lambda: not [name for _, name in socket.if_nameindex() if name.startswith("pmill")])
    seen["links of the dead"] = [name for _, name in socket.if_nameindex() if name.startswith("pmill")]
    network = open_network(plan)
    seen["tables then"] = len(tables())
    assert isinstance(network, Filtered)
    network.close()
    return seen


_PATHS = f"import sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"


def main(directory: Path) -> dict[str, Any]:
    outside = ThreadPoolExecutor(1)
    furnish_machine(outside)
    hosts = directory / "resolv.conf"
    hosts.write_text("nameserver 127.0.0.53\nnameserver 203.0.113.53\noptions edns0\n")
    plan = Plan(api=("127.0.0.1", 8000), refused=("203.0.113.5",), resolv_conf=hosts)
    seen: dict[str, Any] = {}
    off = open_network(plan)
    seen["without forwarding"] = off.refusal if isinstance(off, Unavailable) else "made"
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    network = open_network(plan)
    assert isinstance(network, Filtered), network
    seen["note"] = network.note
    with inside_of(network) as inside:
        seen["filtered"] = answers(inside)
        # The machine may not be asked by its own veth address either.
        address = subprocess.run(["ip", "-j", "-4", "address"], capture_output=True, text=True, check=True).stdout
        gateway = next(a["addr_info"][0]["local"] for a in json.loads(address) if a["ifname"].startswith("pmill"))
        tcp(gateway, 7001, "by the gateway")
        seen["gateway"] = inside.submit(asked, "tcp", gateway, 7001).result()
        shell("nft flush ruleset")
        network._plan = Plan(api=plan.api, refused=("203.0.113.5", "203.0.113.6"), resolv_conf=hosts)
        assert network._relay is not None
        os.kill(network._relay.pid, signal.SIGKILL)
        os.waitid(os.P_PID, network._relay.pid, os.WEXITED | os.WNOWAIT)
        network.refresh()
        seen["after a flush"] = answers(inside)
    second = open_network(Plan(api=("203.0.113.1", 8000), resolv_conf=hosts))
    assert isinstance(second, Filtered), second
    with inside_of(second) as inside:
        seen["api elsewhere"] = answers(inside)
    second.close()
    network.close()
    network.close()
    seen["tables at the end"] = tables()
    seen["links at the end"] = [name for _, name in socket.if_nameindex() if name.startswith("pmill")]
    seen["leftovers"] = leftovers(plan)
    chain = "{ type filter hook forward priority 0; policy drop; }"
    shell(f"nft add table ip other && nft 'add chain ip other forward {chain}'")
    warned = open_network(plan)
    assert isinstance(warned, Filtered)
    seen["another firewall"] = warned.note
    warned.close()
    return seen


if __name__ == "__main__":
    logging.disable()
    print(json.dumps(main(Path(sys.argv[1]))))
    # Threads wait in accept.
    sys.stdout.flush()
    os._exit(0)
