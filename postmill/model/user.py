"""Who acts."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Role = Literal["admin", "developer", "operator"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who passed the door, as every room below `api` sees them.

    `workspace`, `username` and `role` are set on routes below `/api/w/{workspace}`, else None.
    `job` is the running job whose own token was used, else None.
    """

    email: str
    super_admin: bool = False
    workspace: str | None = None
    username: str | None = None
    role: Role | None = None
    job: UUID | None = None
    token_prefix: str | None = None
    scopes: tuple[str, ...] | None = None
    read_only: bool = False

    @property
    def is_admin(self) -> bool:
        """Administrator of the workspace of this request."""
        return self.super_admin or self.role == "admin"

    @property
    def permissioned_as(self) -> str:
        """The contract's spelling of an identity: `u/<username>`."""
        return f"u/{self.username or self.email}"
