"""Wrong logins are counted in memory, per address and per account and address. Bounded, whatever comes."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from postmill.model.errors import TooManyRequests

MAX_KEYS = 10_000
WINDOW = 300.0
PER_ACCOUNT = 10
PER_ADDRESS = 50


class Buckets:
    """Token buckets: `size` tries at once, refilled evenly over `window` seconds. The least used are forgotten."""

    def __init__(self, size: int, window: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._per_second = size / window
        self._clock = clock
        self._found: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def take(self, key: Hashable) -> float:
        """Use up one try; returns 0, or the seconds until there will be one."""
        left = self._left(key)
        if left < 1:
            return (1 - left) / self._per_second
        self._keep(key, left - 1)
        return 0.0

    def give_back(self, key: Hashable) -> None:
        """The try was not a wrong one."""
        if key in self._found:
            self._keep(key, min(self._left(key) + 1, self._size))

    def forget(self, key: Hashable) -> None:
        """Start afresh."""
        self._found.pop(key, None)

    def _left(self, key: Hashable) -> float:
        now = self._clock()
        left, since = self._found.get(key, (float(self._size), now))
        return min(left + (now - since) * self._per_second, self._size)

    def _keep(self, key: Hashable, left: float) -> None:
        self._found[key] = (left, self._clock())
        self._found.move_to_end(key)
        while len(self._found) > MAX_KEYS:
            self._found.popitem(last=False)


def network_of(address: str) -> str:
    """Who is counted as one: an IPv4 address, or the /64 that one subscriber has of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)


class LoginLimiter:
    """Ten wrong tries per account from one address in five minutes, fifty per address over all accounts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = Buckets(PER_ADDRESS, WINDOW, clock)
        self._accounts = Buckets(PER_ACCOUNT, WINDOW, clock)

    def __len__(self) -> int:
        return max(len(self._addresses), len(self._accounts))

    def take(self, email: str, address: str) -> None:
        """Count a try before it is made: a hundred at once are a hundred.

        Raises:
            TooManyRequests: `retry_after` says when there will be another.
        """
        network = network_of(address)
        # The address first: one that has used up its tries cannot push others' accounts out of memory.
        wait = self._addresses.take(network) or self._accounts.take((email, network))
        if wait:
            raise TooManyRequests("too many wrong logins; wait a little, then try again", retry_after=math.ceil(wait))

    def take_back(self, email: str, address: str) -> None:
        """Nothing was compared: the try does not count."""
        network = network_of(address)
        self._addresses.give_back(network)
        self._accounts.give_back((email, network))

    def succeeded(self, email: str, address: str) -> None:
        """The password was right."""
        network = network_of(address)
        self._addresses.give_back(network)
        self._accounts.forget((email, network))
