"""**Pure**: which network a job has: the stricter one of what the instance gives and what its script asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from postmill.model.errors import BadRequest
from postmill.model.options import Network, Options, stricter

_NO_FILTER: Mapping[Network, str] = {"filtered": "network: filtered is not available on this worker"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Of one worker."""

    default: Network = "host"
    """POSTMILL_NETWORK."""
    refusals: Mapping[Network, str] = field(default_factory=lambda: _NO_FILTER)
    """What there is not here → why. A job that is to have it is refused: nothing is run with more than it may have."""

    def of(self, options: Options) -> Network:
        """Of a script's job.

        Raises:
            BadRequest: there is no such network here.
        """
        network = stricter(self.default, options.network or self.default)
        if network in self.refusals:
            raise BadRequest(self.refusals[network])
        return network

    @property
    def packages(self) -> Network:
        """Of what finds and builds packages: without a network there would be none."""
        return "filtered" if self.default == "filtered" and "filtered" not in self.refusals else "host"
