"""The errors that Postmill raises on purpose. The docstring is the default message.

    PostmillError
    ├── BadRequest              400  the caller sent something that cannot be taken
    ├── NotAuthorized           401  nobody, or nobody that we know
    ├── PermissionDenied        403  somebody, but not allowed
    ├── NotFound                404
    ├── Conflict                409  true a moment ago, or taken by somebody else
    ├── TooLarge                413
    ├── TooManyRequests         429
    ├── Unavailable             503  try again later; `retry_after` says when
    ├── LostLease                    the job belongs to another worker now (or has ended)
    └── SandboxError                 the sandbox could not be built; the job was not run

`api/errors.py` is the one place that turns them into HTTP.
"""


class PostmillError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        return str(self.args[0])


class BadRequest(PostmillError):
    """The request cannot be understood."""


class NotAuthorized(PostmillError):
    """Log in, or send a valid token as 'Authorization: Bearer <token>'."""


class PermissionDenied(PostmillError):
    """You may not do this."""


class NotFound(PostmillError):
    """There is no such thing."""


class Conflict(PostmillError):
    """Somebody else was faster."""


class TooLarge(PostmillError):
    """The request is too large."""


class TooManyRequests(PostmillError):
    """Too many requests."""

    def __init__(self, message: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds until another try makes sense."""


class Unavailable(PostmillError):
    """The database does not answer."""

    def __init__(self, message: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds until another try makes sense."""


class LostLease(PostmillError):
    """The lease on this job has passed to another worker, or the job has ended."""


class SandboxError(PostmillError):
    """The sandbox could not be built."""
