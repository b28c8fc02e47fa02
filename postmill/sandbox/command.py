"""The words of the sandbox: what it starts, within which bounds, and how that ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from postmill.model.options import Network, Options

EndReason = Literal[
    "exited",
    "timeout",
    "canceled",
    "lost_lease",
    "shutdown",
    "deadline",
    "sandbox",
    "result_limit",
    "memory_limit",
    "pids_limit",
    "files_limit",
    "disk_limit",
    "inodes_limit",
    "log_limit",
]
"""Why a process tree is gone: by itself, killed by the worker for the reason named, or ('sandbox') never begun.

Of a limit that the kernel holds the tree hears as an error, and goes by itself; `executors/met.py` finds out which.
"""

OnOutput = Callable[[bytes], None]
"""Called in the event loop with each piece of stdout and stderr, as it comes: at most 64 kB at a time."""

TAIL = 64 * 1024
"""How much of a command's output is kept for its end, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one job. Sizes in bytes, times in seconds."""

    memory: int = 2 * 1024**3
    """Address space of each process, and memory of all of them together."""
    pids: int = 256
    files: int = 1024
    disk: int = 1024**3
    """Of /job and of /tmp, each; no file is longer than this."""
    inodes: int = 100_000
    """Of /job and of /tmp, each."""
    cpus: float = 1.0
    """Cores: where there is no cgroup for it, jobs only give way to the worker."""
    result: int = 32 * 1024**2
    timeout: float = 3600.0
    kill_grace: float = 2.0
    """Between SIGTERM and SIGKILL when the timeout is reached."""

    def within(self, options: Options) -> "Limits":
        """Lowered to what a script asks for; never above these."""
        return replace(
            self,
            memory=min(self.memory, options.memory or self.memory),
            pids=min(self.pids, options.pids or self.pids),
            files=min(self.files, options.files or self.files),
            disk=min(self.disk, options.disk or self.disk),
            inodes=min(self.inodes, options.inodes or self.inodes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What a fork-server has loaded: jobs that differ in it do not share one."""

    executable: str
    """The interpreter, a real one."""
    prefix: str
    """Its installation: seen read-only."""
    runner: str = ""
    """A module of this package whose `main(call)` runs a script in a forked child."""
    directory: str = ""
    """Installed packages: on `sys.path`, seen read-only."""
    read_only: tuple[str, ...] = ()
    """Further directories of this machine that jobs may read."""
    imports: tuple[str, ...] = ()
    """What is worth importing before the fork: jobs see the same without it, later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the sandbox starts. Paths are inside the jail; the working directory is /job, private and writable."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to PATH, HOME, LANG and TMPDIR, whose values it may replace."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that stand below /job when the command starts: relative path → content."""
    read_only: tuple[str, ...] = ()
    """Directories of this machine, beside the system's, that the command may read (an interpreter's prefix)."""
    runtime: Runtime | None = None
    """None: this process's own interpreter, nothing preloaded."""
    call: str | None = None
    """What the runtime's runner is called with; without a runner, or without this, `argv` is executed."""
    network: Network = "host"
    warm: str = ""
    """Keep the process for further calls of the same: what they have in common. "" for a process of its own."""
    owner: str = ""
    """Whose job it is: no fork-server serves two."""
    reply_fd: int = 3
    """The descriptor on which the command writes its reply: 3 to 9."""
    split_output: bool = False
    """Read stdout and stderr apart, so that the end knows stdout alone.

    With one pipe for both, their order is exact; with two it holds within each, and between them as far as the
    reader wakes between the two writes.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended, as the sandbox saw it."""

    reason: EndReason
    exit_code: int
    """Negative: the signal that ended it."""
    reply: bytes
    """What came over `reply_fd`: hostile until read."""
    tail: bytes
    """The last 64 kB of its output."""
    stdout: bytes = b""
    """The last 64 kB of stdout alone; only with `Command.split_output`."""
    duration: float
    memory_peak: int = 0
    """Bytes, of all processes together, sampled; 0 when it ended before the first sample."""
    full: tuple[str, ...] = ()
    """'disk' or 'inodes', when one of its file systems was full in the end."""
    oom_kills: int = 0
    """Processes that the kernel ended for its cgroup's memory."""
    pids_hits: int = 0
    """How often its cgroup refused a process."""
