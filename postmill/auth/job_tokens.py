"""The token of a running job: `pmj_<job id>_<lease>_<mac>`. Stateless and pure.

It is good for as long as the job runs under that lease, which the reader asks the queue; the MAC ties it to the
workspace, so that the token of a job says nothing elsewhere.
"""

import hmac
import re
from dataclasses import dataclass
from uuid import UUID

KEY_NAME = "job_token_key"
"""Where the instance keeps the key."""
KEY_LENGTH = 32

_TOKEN = re.compile(r"pmj_([0-9a-f]{32})_([0-9]{1,10})_([0-9a-f]{64})\Z")
_MAX_LEASE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class JobToken:
    """What a token claims. Nothing is true before `is_genuine`."""

    job: UUID
    lease: int
    mac: str


def _mac(key: bytes, job: UUID, lease: int, workspace: str) -> str:
    # Fixed lengths first: no two triples give the same message.
    message = job.bytes + lease.to_bytes(8, "big") + workspace.encode()
    return hmac.new(key, message, "sha256").hexdigest()


def job_token(key: bytes, job_id: UUID, lease: int, workspace: str) -> str:
    """The token for one run of a job."""
    return f"pmj_{job_id.hex}_{lease}_{_mac(key, job_id, lease, workspace)}"


def read(token: str) -> JobToken | None:
    """Take a token apart; None when it is none of a job."""
    match = _TOKEN.match(token)
    if match is None or int(match[2]) > _MAX_LEASE:
        return None
    return JobToken(UUID(hex=match[1]), int(match[2]), match[3])


def is_genuine(key: bytes, token: JobToken, workspace: str) -> bool:
    """Whether we made it, for this workspace. Takes the same time for every wrong MAC."""
    return hmac.compare_digest(_mac(key, token.job, token.lease, workspace), token.mac)
