"""The table of attacks: what a hostile script tries, what holds it, how its job ends.

`scripts/` has the attack of each row. It says SUCCEEDED when it worked; an error is a refusal. `held_by` names the
mechanisms of which **each alone** holds the attack (`test_controls.py` proves it, and that without all of them the
attack succeeds). A machine that lacks some of them holds what the rest holds: that is what a level means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MECHANISMS = {
    "pid_namespace": "processes of its own: no other can be named",
    "mount_namespace": "a root directory of its own, the system in it read-only",
    "ipc_namespace": "System V and POSIX message queues and shared memory of its own",
    "user_namespace": "a user namespace of its own: its root is nobody",
    "network": "with `network: none`, a network of its own with nothing in it",
    "uid": "a uid for each slot, which owns nothing",
    "capabilities": "no capability, now or later",
    "no_new_privs": "setuid programs give nothing",
    "seccomp": "the table of refused system calls (`postmill/sandbox/seccomp.py`)",
    "landlock": "no signal or abstract socket outside of the job; without a root directory of its own, no path either",
    "tmpfs": "/job, /tmp and /dev/shm of its own, bounded, gone with it",
    "environment": "the job's own environment, nothing of the worker's",
    "descriptors": "the job's own descriptors, nothing of the worker's",
    "single_use": "a process for one job, never for a second",
    "kill_tree": "when the job ends, whatever it started is ended",
    "reply_check": "what comes as its result is read as from an enemy",
    "limit_memory": "memory of each process, and of all together",
    "limit_pids": "processes and threads",
    "limit_files": "open descriptors",
    "limit_disk": "bytes in files",
    "limit_inodes": "number of files",
    "limit_result": "size of the result",
    "limit_log": "size of the log",
    "limit_time": "the timeout",
}

_NAMESPACES = frozenset({"pid_namespace", "mount_namespace", "ipc_namespace", "user_namespace", "tmpfs"})
LEVELS: Mapping[str, frozenset[str]] = {
    "L3": frozenset(MECHANISMS),
    "L2": frozenset(MECHANISMS) - _NAMESPACES - {"limit_disk", "limit_inodes"},
    "L1": frozenset(MECHANISMS) - _NAMESPACES - {"limit_disk", "limit_inodes", "uid"},
}
"""Which mechanisms a level has."""


BESIDE: Mapping[str, str] = {
    "write_sysctl": "L2 has another uid, and L1 is not root",
    "other_jobs_files": "each job has a directory of its own, which Landlock closes to others",
    "shared_memory": "/dev/shm cannot be written to",
    "disk": "/tmp cannot be written to",
    "sparse": "no file is longer than the limit",
    "inodes": "/tmp cannot be written to",
    "left_in_job": "the directory goes with its job",
    "left_in_tmp": "/tmp cannot be written to",
    "left_queue": "a queue belongs to the uid that made it, or cannot be opened",
}
"""What holds at the lower levels for a reason of their own."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The error of the job at L3: its name and a piece of its message. `name` "" for a job that ends well."""

    name: str
    says: str


@dataclass(frozen=True, slots=True)
class Attack:
    """One row."""

    name: str
    language: Literal["python3", "bash"]
    title: str
    held_by: frozenset[str]
    ends: Ends
    script: str = ""
    """The file in scripts/ without its ending; the row's name when it is empty."""
    call: str = ""
    """The script's argument of that name, where several rows share a script."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Beside those that `running.py` gives every attack."""
    steps: tuple[str, ...] = ("attack",)
    """Jobs one after the other in one slot, told which they are; the last one's end counts."""
    beside: bool = False
    """Another job runs meanwhile (`scripts/victim.py`)."""
    no_network: bool = False
    leaves: bool = False
    """It works when a process is left, whatever the job says."""
    floods: bool = False
    """It works when its log is over the limit, whatever the job says."""
    root: bool = False
    """As an ordinary user it fails even without a sandbox, so that only root sees the control."""
    needs: tuple[str, str] | None = None
    """A file, and what it says where the kernel has the attacked feature at all."""

    @property
    def source(self) -> str:
        """Its file in scripts/."""
        return (self.script or self.name) + (".py" if self.language == "python3" else ".sh")

    def contained(self, level: str) -> bool:
        """Whether a job of this level, run as that level is, cannot do it."""
        return bool(self.held_by & LEVELS[level]) or (level != "L3" and self.name in BESIDE)


def _attack(name: str, title: str, held_by: str, ends: tuple[str, str], **more: Any) -> Attack:
    language: Literal["python3", "bash"] = "bash" if more.pop("bash", False) else "python3"
    return Attack(name, language, title, frozenset(held_by.split()), Ends(*ends), **more)


_GONE = ("FileNotFoundError", "No such file")
_READ_ONLY = ("OSError", "Read-only file system")
_REFUSED = ("PermissionError", "Operation not permitted")
_DENIED = ("PermissionError", "Permission denied")
_ENOSYS = ("OSError", "Function not implemented")
_NO_PROCESS = ("ProcessLookupError", "")
_FULL = ("OSError", "No space left on device")
_BAD = "BadResult"
_TWO = ("plant", "look")
_MB = 1024**2


def _exit(says: str) -> tuple[str, str]:
    return ("ExecutionError", says)


_PRIVILEGES = "user_namespace uid capabilities"
"""What keeps root's rights away: each alone is enough."""
_OTHERS = "pid_namespace landlock uid user_namespace"
"""What keeps other jobs' processes away."""

# fmt: off
ATTACKS: tuple[Attack, ...] = (
    # Files of the machine --------------------------------------------------------------------------------------------
    _attack("read_shadow", "read /etc/shadow", "mount_namespace landlock user_namespace uid",
            _exit("No such file"), bash=True, root=True),
    _attack("read_settings", "read the worker's settings", "mount_namespace landlock", _GONE),
    _attack("read_by_link", "read them by a symbolic link", "mount_namespace landlock", _GONE),
    _attack("read_by_roots", "read them by /proc/*/root and /proc/*/cwd", "mount_namespace landlock",
            ("FileNotFoundError", "no root leads there")),
    _attack("search_files", "search the machine for a file", "mount_namespace landlock", _exit("nothing named"),
            bash=True),
    _attack("write_outside", "write to a directory that all may write", "mount_namespace landlock",
            _exit("No such file"), bash=True),
    _attack("write_usr", "write to /usr", "mount_namespace landlock user_namespace uid", _exit("Read-only file system"),
            bash=True, root=True),
    _attack("write_etc", "write to /etc", "mount_namespace landlock user_namespace uid", _READ_ONLY, root=True),
    _attack("write_root", "write to /", "mount_namespace landlock user_namespace uid", _exit("Read-only file system"),
            bash=True, root=True),
    _attack("write_interpreter", "change the interpreter of all jobs", "mount_namespace landlock user_namespace uid",
            _READ_ONLY, root=True),
    _attack("write_sysctl", "write to /proc/sys", "user_namespace uid", _exit("Permission denied"), bash=True,
            root=True),
    _attack("write_cgroup", "make a cgroup", "mount_namespace landlock user_namespace uid", _GONE, root=True),
    _attack("device_node", "make a device node", f"seccomp {_PRIVILEGES}", _REFUSED, root=True),
    _attack("make_setuid", "leave a setuid program", "seccomp", _exit("Operation not permitted"), bash=True),
    _attack("run_setuid", "become root by a setuid program", "mount_namespace user_namespace no_new_privs",
            _exit("No such file"), bash=True, root=True),
    _attack("remount_writable", "make /usr writable", f"seccomp {_PRIVILEGES}", _REFUSED, root=True),
    _attack("unmount", "uncover what a mount hides", f"seccomp {_PRIVILEGES}", _REFUSED, root=True),
    _attack("open_by_handle_at", "open a file by its handle", f"seccomp {_PRIVILEGES}", _REFUSED, root=True,
            script="call_kernel", call="open_by_handle_at"),
    _attack("other_jobs_files", "read another job's files", "tmpfs", ("FileNotFoundError", "no other job's files"),
            beside=True),
    # Processes -------------------------------------------------------------------------------------------------------
    _attack("read_environ", "read another job's environment in /proc", _OTHERS, _NO_PROCESS, beside=True),
    _attack("read_memory", "read another job's memory in /proc", _OTHERS, _NO_PROCESS, beside=True),
    _attack("read_by_call", "read another job's memory by process_vm_readv", f"seccomp {_OTHERS}", _NO_PROCESS,
            beside=True),
    _attack("trace_other", "trace another job", f"seccomp {_OTHERS}", _NO_PROCESS, beside=True),
    _attack("trace_child", "be traced by a parent", "seccomp", _REFUSED),
    _attack("signal_other", "signal another job", "pid_namespace landlock uid", _exit("no process of another job"),
            bash=True, beside=True),
    _attack("signal_worker", "signal the worker", "pid_namespace landlock uid user_namespace", _NO_PROCESS),
    _attack("stop_init", "stop its own init", "pid_namespace landlock uid", _REFUSED),
    _attack("environ_of_init", "read its init's environment", _PRIVILEGES, _DENIED),
    _attack("descriptors_of_init", "take its init's descriptors", f"landlock {_PRIVILEGES}", _DENIED),
    _attack("daemon", "leave a daemon by double fork and setsid", "pid_namespace kill_tree", ("", "left one behind"),
            leaves=True),
    _attack("daemon_bash", "leave a daemon that ignores signals", "pid_namespace kill_tree", ("", "left one behind"),
            bash=True, leaves=True),
    _attack("outlive_kill", "outlive the kill of its job", "pid_namespace kill_tree", ("Timeout", "its timeout of 1 s"),
            leaves=True, limits={"timeout": 1}),
    _attack("nice", "raise its priority", _PRIVILEGES, _REFUSED, root=True),
    _attack("realtime", "run before everybody else", _PRIVILEGES, _REFUSED, root=True),
    # The kernel ------------------------------------------------------------------------------------------------------
    _attack("user_namespace", "make a user namespace", "seccomp", _exit("Operation not permitted"), bash=True),
    _attack("clone_namespace", "make one by clone", "seccomp", _REFUSED),
    _attack("clone3_namespace", "make one by clone3", "seccomp", _ENOSYS),
    _attack("setns", "enter a namespace", f"seccomp {_PRIVILEGES}", _REFUSED, root=True),
    _attack("mount", "mount a file system", f"seccomp {_PRIVILEGES}", _exit("mount"), bash=True, root=True),
    _attack("pivot_root", "change the root by pivot_root", f"seccomp {_PRIVILEGES}", _REFUSED, root=True,
            script="call_kernel", call="pivot_root"),
    _attack("chroot", "change the root by chroot", "seccomp capabilities", _REFUSED, root=True),
    _attack("keyctl", "keep a key in the kernel", "seccomp", _REFUSED, script="call_kernel", call="add_key"),
    _attack("bpf", "load a program into the kernel", f"seccomp {_PRIVILEGES}", _REFUSED, root=True,
            script="call_kernel", call="bpf"),
    _attack("io_uring", "do calls past the filter by io_uring", "seccomp", _ENOSYS, script="call_kernel",
            call="io_uring_setup"),
    _attack("perf_event_open", "measure the machine", "seccomp", _REFUSED, script="call_kernel",
            call="perf_event_open"),
    _attack("userfaultfd", "stop the kernel at a page", "seccomp", _REFUSED, script="call_kernel", call="userfaultfd"),
    _attack("init_module", "load a kernel module", "seccomp", _REFUSED, root=True, script="call_kernel",
            call="init_module"),
    _attack("reboot", "reboot the machine", f"seccomp {_PRIVILEGES}", _REFUSED, root=True, script="call_kernel",
            call="reboot"),
    _attack("sethostname", "rename the machine", f"seccomp {_PRIVILEGES}", _REFUSED, root=True, script="call_kernel",
            call="sethostname"),
    _attack("settimeofday", "set the clock", f"seccomp {_PRIVILEGES}", _REFUSED, root=True, script="call_kernel",
            call="settimeofday"),
    _attack("personality", "turn off address randomisation", "seccomp", _exit("Operation not permitted"), bash=True),
    _attack("raw_socket", "forge packets", f"seccomp {_PRIVILEGES}", _REFUSED, root=True),
    _attack("packet_socket", "read all packets of the machine", f"seccomp {_PRIVILEGES}",
            ("OSError", "Address family not supported"), root=True),
    _attack("vsock", "speak to the hypervisor", "seccomp", ("OSError", "Address family not supported"),
            needs=("/proc/net/protocols", "AF_VSOCK")),
    _attack("type_into_terminal", "type into a terminal", "seccomp", _REFUSED,
            needs=("/proc/sys/dev/tty/legacy_tiocsti", "1")),
    # Resources -------------------------------------------------------------------------------------------------------
    _attack("fork_bomb", "fork without end", "limit_pids", ("BlockingIOError", "Resource temporarily unavailable"),
            limits={"pids": 20}),
    _attack("fork_bomb_bash", "fork without end", "limit_pids", ("Timeout", "its timeout of 2 s"), bash=True,
            limits={"pids": 20, "timeout": 2}),
    _attack("threads", "start threads without end", "limit_pids", ("RuntimeError", "can't start new thread"),
            limits={"pids": 20, "memory": 64 * 1024 * _MB}),
    _attack("memory", "take all memory at once", "limit_memory", ("MemoryError", "out of memory: the limit is 300 MB"),
            limits={"memory": 300 * _MB}),
    _attack("memory_children", "take all memory in many processes", "limit_memory",
            ("MemoryLimit", "its processes together met its limit of 300MB of memory"), limits={"memory": 300 * _MB}),
    _attack("shared_memory", "take all memory as files in /dev/shm", "limit_disk", _exit("No space left on device"),
            bash=True),
    _attack("disk", "fill the disk from /tmp", "limit_disk", _exit("No space left on device"), bash=True),
    _attack("disk_job", "fill the disk from /job", "limit_disk", _FULL),
    _attack("sparse", "make a file of a gigabyte that takes no space", "limit_disk", ("OSError", "File too large")),
    _attack("inodes", "make files without end", "limit_inodes", _FULL),
    _attack("descriptors", "open descriptors without end", "limit_files", ("OSError", "Too many open files"),
            limits={"files": 100}),
    _attack("raise_limits", "lift its own limits", "limit_files", _exit("cannot modify limit"), bash=True),
    _attack("endless_loop", "run without end", "limit_time", ("Timeout", "its timeout of 0.5 s"),
            limits={"timeout": 0.5}),
    _attack("ignore_sigterm", "run on after SIGTERM", "limit_time", ("Timeout", "its timeout of 0.5 s"), bash=True,
            limits={"timeout": 0.5}),
    _attack("endless_output", "print without end", "limit_log", ("", "printed"), bash=True, floods=True),
    _attack("large_result", "return a result without end", "limit_result", ("ResultTooLarge", "POSTMILL_MAX_RESULT")),
    _attack("endless_reply", "write to the reply's descriptor without end", "limit_result",
            ("ResultTooLarge", "POSTMILL_MAX_RESULT")),
    # The network -----------------------------------------------------------------------------------------------------
    _attack("database_socket", "connect to the platform's database", "mount_namespace", _GONE),
    _attack("abstract_socket", "connect to an abstract socket of the machine", "landlock", _REFUSED),
    _attack("loopback", "connect to a service of the machine", "network", _exit("Connection refused"), bash=True,
            no_network=True),
    _attack("internet", "send packets", "network", ("OSError", "Network is unreachable"), no_network=True),
    # Secrets ---------------------------------------------------------------------------------------------------------
    _attack("environment", "read the worker's environment as its own", "environment", _exit("nothing of the worker"),
            bash=True),
    _attack("environ_of_worker", "read the worker's environment in /proc",
            "pid_namespace uid user_namespace capabilities", _GONE),
    _attack("inherited", "use a descriptor that the worker left open", "descriptors",
            ("PermissionError", "no descriptor leads to the secret")),
    # The reply -------------------------------------------------------------------------------------------------------
    _attack("reply_bad", "reply with what is not JSON", "reply_check", (_BAD, "not JSON"), script="forge", call="bad"),
    _attack("reply_two", "reply twice", "reply_check", (_BAD, "not JSON"), script="forge", call="two"),
    _attack("reply_letter", "reply in an unknown form", "reply_check", ("NoResult", "without a result"),
            script="forge", call="letter"),
    _attack("reply_deep", "reply with a hundred thousand levels", "reply_check", (_BAD, "nested deeper"),
            script="forge", call="deep"),
    _attack("reply_nan", "reply with a number that JSON lacks", "reply_check", (_BAD, "NaN"), script="forge",
            call="not_a_number"),
    _attack("reply_error", "reply with an error that is none", "reply_check", (_BAD, "not an object"), script="forge",
            call="error"),
    _attack("reply_encoding", "reply with what is not UTF-8", "reply_check", (_BAD, "utf-8"), script="forge",
            call="encoding"),
    # The job before --------------------------------------------------------------------------------------------------
    _attack("left_in_job", "find the files of the job before", "tmpfs", ("FileNotFoundError", "nothing is left"),
            steps=_TWO),
    _attack("left_in_tmp", "find its files in /tmp and /dev/shm", "tmpfs", _exit("No such file"), bash=True,
            steps=_TWO),
    _attack("left_in_memory", "run in its interpreter, with what it changed", "single_use",
            ("AttributeError", "nothing is left"), steps=_TWO),
    _attack("left_in_environment", "have its environment", "single_use", ("KeyError", "LEFT"), steps=_TWO),
    _attack("left_running", "meet its processes", "pid_namespace kill_tree", _exit("nothing runs on"), bash=True,
            steps=_TWO),
    _attack("left_shared_memory", "find its System V shared memory", "ipc_namespace", _GONE, steps=_TWO),
    _attack("left_queue", "find its message queue", "ipc_namespace", _GONE, steps=_TWO),
    _attack("left_key", "find its keys in the kernel", "seccomp user_namespace", _REFUSED, steps=_TWO),
)
# fmt: on
