"""The dependency job of Python: what a script wants → its lock, found by uv in a jail without secrets."""

from postmill.environments import interpreters, resolver
from postmill.environments.lock import Lock, read_lock
from postmill.environments.sources import Sources
from postmill.executors import reply
from postmill.executors.contract import Command, Ended, Limits, Outcome, Task
from postmill.language.python_requirements import Unclear, read_requirements
from postmill.model.errors import BadRequest


class PythonDependencies:
    """Resolves `task.requirements`; versions that stand in `task.lock` stay where they can."""

    language = "python3"

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def prepare(self, task: Task, limits: Limits) -> Command:
        """Raises BadRequest: no Python on this machine fits, or a requirement that cannot be read."""
        question = _question(task)
        if not question.requirements.lines:
            return Command(argv=("/bin/true",), owner=task.workspace)
        return resolver.command(question, self._sources, task.workspace)

    def limits(self, limits: Limits) -> Limits:
        """A resolver's bounds in place of a job's."""
        return resolver.limits(limits)

    def outcome(self, task: Task, limits: Limits, ended: Ended) -> Outcome:
        """`{"lock": …}`, or the resolver's own words."""
        question = _question(task)
        if (early := reply.not_exited(ended, limits)) is not None:
            return early
        if not question.requirements.lines:
            lock = Lock(python=question.interpreter.minor if question.requirements.python else "").text()
        else:
            try:
                lock = resolver.answer(question, self._sources, ended)
            except resolver.ResolveError as error:
                return reply.failed(ended, "ResolveError", error.message)
        return Outcome(ok=True, result=resolver.result_of(lock), memory_peak=ended.memory_peak)


def _question(task: Task) -> resolver.Question:
    try:
        wanted = read_requirements(task.requirements)
    except Unclear as error:
        raise BadRequest(f"dependencies: {error}") from None
    try:
        known = read_lock(task.lock)
    except BadRequest:
        known = Lock()
    return resolver.Question(requirements=wanted, interpreter=interpreters.choose_now(wanted.python), known=known)
