import pytest

from postmill.executors.contract import Limits, Task
from postmill.executors.registry import Executors
from postmill.model.errors import BadRequest

pytestmark = pytest.mark.anyio


async def test_a_language_that_is_not_there_is_refused_by_name(executors: Executors) -> None:
    with pytest.raises(BadRequest, match="language 'cobol' is not supported yet; there are python3, bash"):
        await executors.start(Task("cobol", "DISPLAY 1"), Limits(), 0, lambda _: None)


async def test_jobs_side_by_side_do_not_mix(executors: Executors) -> None:
    runs = [
        await executors.start(Task("bash", f"echo {number}; sleep 0.1; echo {number}"), Limits(), number, logs.append)
        for number, logs in enumerate(_LOGS)
    ]
    results = [(await run.wait()).result for run in runs]
    assert results == [f'"{number}"' for number in range(len(_LOGS))]
    assert [b"".join(logs).split() for logs in _LOGS] == [[b"%d" % at] * 2 for at in range(len(_LOGS))]


_LOGS: list[list[bytes]] = [[] for _ in range(4)]
