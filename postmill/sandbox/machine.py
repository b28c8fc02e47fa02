"""What jobs get on this machine, in the words of the workers page and of `postmill doctor`."""

from dataclasses import dataclass

from postmill.model.options import NETWORKS, Network, too_weak
from postmill.sandbox import level
from postmill.sandbox.cgroup_place import Nowhere, Place
from postmill.sandbox.level import Level
from postmill.sandbox.network import Filtered, Plan, Unavailable, open_network

_NAMESPACES = "L3"
"""The level at which a job can have a network of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was found."""

    level: Level
    place: Place | Nowhere
    filtered: Filtered | Unavailable

    @property
    def networks(self) -> tuple[Network, ...]:
        """What a job may ask for here."""
        return tuple(name for name in NETWORKS if name not in self.refusals)

    @property
    def refusals(self) -> dict[Network, str]:
        """What there is not here → why. A job that is to have it is refused, never run with another."""
        found: dict[Network, str] = {}
        if self.level.name != _NAMESPACES:
            for name in NETWORKS[1:]:
                found[name] = f"network: {name} is not available here: isolation {self.level.name} has no namespaces"
        elif isinstance(self.filtered, Unavailable):
            found["filtered"] = self.filtered.refusal
        return found

    @property
    def limits_by(self) -> str:
        """'cgroup v1 (memory, pids, cpu)', or what stands for it."""
        return self.place.words

    def refuses(self, minimum: str | None, network: Network) -> str:
        """Why a worker here runs no jobs: its level is too low, or it lacks the network that all are to have."""
        weak = too_weak(self.level.name, minimum)
        return f"it {weak}" if weak else self.refusals.get(network, "")

    def close(self) -> None:
        """Take the filtered network away."""
        if isinstance(self.filtered, Filtered):
            self.filtered.close()


def look(plan: Plan) -> Machine:
    """Try it out: the level with a job, the filtered network by making it. It stays until `close`. Never raises."""
    return Machine(level=level.probe(), place=Nowhere("this version joins no cgroup"), filtered=open_network(plan))
