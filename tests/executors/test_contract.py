"""What every language has to do alike: one suite, one script for each language and case."""

import asyncio
import json
import os
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from postmill.executors.contract import Limits, Task
from postmill.executors.registry import LANGUAGES, Executors
from postmill.model.errors import BadRequest
from tests.executors.conftest import Running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("language", LANGUAGES),
]

_EVERY_TYPE = {"text": "a b", "whole": 7, "real": 1.5, "yes": True, "no": None, "many": [1, "x"], "deep": {"a": [{}]}}


def script(language: str, **sources: str) -> str:
    return sources[language]


async def test_arguments_of_every_type_arrive(language: str, run: Running) -> None:
    names = list(_EVERY_TYPE)
    done = await run(
        language,
        script(
            language,
            python3=f"def main({', '.join(names)}):\n    return [{', '.join(names)}]",
            bash="\n".join(f'{name}="${at}"' for at, name in enumerate(names, 1))
            + '\nprintf \'["%s",%s,%s,%s,%s,%s,%s]\' "$text" $whole $real $yes "${no:-null}" "$many" "$deep"'
            + " >result.json",
        ),
        _EVERY_TYPE,
    )
    assert done.result == list(_EVERY_TYPE.values())


@pytest.mark.parametrize(
    "value",
    ["", "plain", "quote ' and \"", "$(id) `id` $HOME \\", "line\nline", "ü € 😀 \u202e", "-n", "*", "a" * 100_000],
)
async def test_text_arrives_and_comes_back_as_it_was(language: str, value: str, run: Running) -> None:
    done = await run(
        language,
        script(language, python3="def main(x):\n    return x", bash='x="$1"\nprintf %s "$x" >result.out'),
        {"x": value},
    )
    assert done.result == value


async def test_an_argument_that_is_no_parameter_is_dropped_and_told(language: str, run: Running) -> None:
    done = await run(
        language,
        script(language, python3="def main(x):\n    return x", bash='x="$1"\necho "$x"'),
        {"y": 1, "x": "kept"},
    )
    assert done.result == "kept"
    assert "argument 'y' is not a parameter of " in done.log


async def test_arguments_that_are_no_object_are_refused(language: str, run: Running) -> None:
    try:
        done = await run(language, script(language, python3="def main(x):\n    return x", bash='x="$1"'), "[1]")
        message = done.error["message"]
    except BadRequest as error:
        message = error.message
    assert "object" in message


async def test_stdout_and_stderr_are_in_the_log_as_they_come(language: str, run: Running) -> None:
    done = await run(
        language,
        script(
            language,
            python3="import sys, time\ndef main():\n    for i in range(5):\n        print(i)\n"
            "        time.sleep(0.05)\n        print(-i, file=sys.stderr)\n        time.sleep(0.05)",
            bash="for i in 0 1 2 3 4; do echo $i; sleep 0.05; echo $((-i)) >&2; sleep 0.05; done",
        ),
    )
    assert [int(line) for line in done.log.split()] == [0, 0, 1, -1, 2, -2, 3, -3, 4, -4]
    assert len(done.pieces) > 3


async def test_a_line_is_there_before_the_job_ends(language: str, run: Running, executors: Executors) -> None:
    first = asyncio.Event()
    source = script(
        language,
        python3="import time\ndef main():\n    print('early')\n    time.sleep(60)",
        bash="echo early; sleep 60",
    )
    started = await executors.start(Task(language, source), Limits(), 0, lambda piece: first.set())
    await asyncio.wait_for(first.wait(), 30)
    started.kill("canceled")
    outcome = await started.wait()
    assert (outcome.ok, outcome.end_reason) == (False, "canceled")
    assert json.loads(outcome.result)["error"]["name"] == "Canceled"


async def test_a_failure_tells_what_went_wrong(language: str, run: Running) -> None:
    done = await run(
        language,
        script(
            language,
            python3="def main():\n    print('before')\n    raise ValueError('the reason')",
            bash="echo before; echo the reason >&2; exit 3",
        ),
    )
    assert done.outcome.end_reason is None
    assert "the reason" in done.error["message"]
    assert "before" in done.log


async def test_a_timeout_ends_the_job_with_its_name(language: str, run: Running) -> None:
    done = await run(
        language,
        script(language, python3="import time\ndef main():\n    time.sleep(60)", bash="sleep 60"),
        limits=Limits(timeout=0.4, kill_grace=0.2),
    )
    assert done.outcome.end_reason == "timeout"
    assert done.error["name"] == "Timeout"
    assert done.error["message"] == "ran longer than its timeout of 0.4 s (POSTMILL_JOB_TIMEOUT)"


async def test_a_job_that_ignores_sigterm_is_killed(language: str, run: Running) -> None:
    done = await run(
        language,
        script(
            language,
            python3="import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "def main():\n    while True:\n        time.sleep(60)",
            bash="trap '' TERM\nwhile :; do sleep 60; done",
        ),
        limits=Limits(timeout=0.4, kill_grace=0.2),
    )
    assert done.outcome.end_reason == "timeout"


async def test_a_job_may_clean_up_on_sigterm(language: str, run: Running) -> None:
    done = await run(
        language,
        script(
            language,
            python3="import signal, sys, time\ndef stop(*_):\n    print('cleaned')\n    sys.exit(1)\n"
            "signal.signal(signal.SIGTERM, stop)\ndef main():\n    time.sleep(60)",
            bash="trap 'echo cleaned; exit 1' TERM\nwhile :; do sleep 0.05; done",
        ),
        limits=Limits(timeout=0.6, kill_grace=20),
    )
    assert done.outcome.end_reason == "timeout"
    assert "cleaned" in done.log


async def test_a_daemon_by_double_fork_and_setsid_is_gone(language: str, run: Running) -> None:
    mark = f"7{uuid4().int % 10**12:012d}"
    done = await run(
        language,
        script(
            language,
            python3="import os, time\ndef main(mark):\n    if os.fork() == 0:\n        os.setsid()\n"
            "        if os.fork() == 0:\n            os.execv('/bin/sleep', ['sleep', mark])\n        os._exit(0)\n"
            "    time.sleep(0.2)\n    return 'left'",
            bash='mark="$1"\n(setsid sh -c "sleep $mark &" >/dev/null 2>&1 &)\nsleep 0.2\necho left',
        ),
        {"mark": mark},
    )
    assert done.result == "left"
    left = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            left += [path] if mark.encode() in path.read_bytes().split(b"\0") else []
        except OSError:
            continue
    assert left == []


async def test_endless_output_ends_with_the_timeout(language: str, run: Running, executors: Executors) -> None:
    longest = 0

    def take(piece: bytes) -> None:
        nonlocal longest
        longest = max(longest, len(piece))

    source = script(language, python3="def main():\n    while True:\n        print('x' * 1000)", bash="yes")
    started = await executors.start(Task(language, source), Limits(timeout=0.8, kill_grace=0.2), 0, take)
    outcome = await started.wait()
    assert outcome.end_reason == "timeout"
    assert 0 < longest <= 64 * 1024


async def test_a_result_over_the_limit_is_refused_by_name(language: str, run: Running) -> None:
    done = await run(
        language,
        script(
            language,
            python3="def main():\n    return 'x' * 2_000_000",
            bash="head -c 2000000 /dev/zero | tr '\\0' x >result.out",
        ),
        limits=Limits(result=1024**2, timeout=30),
    )
    assert done.outcome.end_reason == "result_limit"
    assert done.error["name"] == "ResultTooLarge"
    assert done.error["message"] == "the result is over 1 MB (POSTMILL_MAX_RESULT)"


async def test_a_large_result_below_the_limit_comes_whole(language: str, run: Running) -> None:
    done = await run(
        language,
        script(
            language,
            python3="def main():\n    return 'x' * 2_000_000",
            bash="head -c 2000000 /dev/zero | tr '\\0' x >result.out",
        ),
    )
    assert done.result == "x" * 2_000_000


async def test_a_script_that_kills_itself_has_no_result(language: str, run: Running) -> None:
    done = await run(
        language,
        script(
            language,
            python3="import os, signal\ndef main():\n    os.kill(os.getpid(), signal.SIGKILL)",
            # Its parent, our wrapper, which is its to kill.
            bash="kill -9 $PPID; sleep 60",
        ),
    )
    assert done.error["name"] == "NoResult"
    assert "SIGKILL" in done.error["message"]


async def test_the_environment_is_what_the_task_says(
    language: str, run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://tell-nobody@host/db")
    done = await run(
        language,
        script(
            language,
            python3="import os\ndef main():\n    return dict(os.environ)",
            bash="env -0 | tr '\\n\\0' '~\\n' >vars; printf '{' >o; while IFS='=' read -r name value; do"
            ' [ "$name" = _ ] || printf \'"%s":"%s",\' "$name" "$value" >>o; done <vars; printf \'"":""}\' >>o;'
            " mv o result.json",
        ),
        env={"WM_TOKEN": "t-1", "WITH_SPACE": "a b", "LANG": "C.UTF-8"},
    )
    found = done.result
    for shells_own in ("", "SHLVL", "OLDPWD"):
        found.pop(shells_own, None)
    assert found == {
        "WM_TOKEN": "t-1",
        "WITH_SPACE": "a b",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/job",
        "TMPDIR": "/tmp",
        "PWD": "/job",
    }


async def test_the_working_directory_is_private_and_writable(language: str, run: Running) -> None:
    source = script(
        language,
        python3="import os\ndef main():\n    there = os.path.exists('mine')\n    open('mine', 'w').write('x')\n"
        "    return [os.getcwd(), there]",
        bash='there=false; [ -e mine ] && there=true; echo x >mine; echo "[\\"$PWD\\",$there]" >result.json',
    )
    for _ in range(2):
        assert (await run(language, source)).result == ["/job", False]


async def test_nothing_of_the_host_is_visible(language: str, run: Running) -> None:
    """Nor are other processes, nor is the user root."""
    here = Path(__file__).parents[2]
    prefix = Path(os.path.realpath(sys.base_prefix))
    hidden = [here, here / "postmill", Path("/etc/shadow"), Path("/etc/ssl/private"), Path("/sys/kernel")]
    hidden += [path for path in Path.home().iterdir() if path not in (prefix, *prefix.parents)]
    hidden += [path for path in Path("/tmp").iterdir() if path not in prefix.parents]
    done = await run(
        language,
        script(
            language,
            python3="import os\ndef main(paths):\n    processes = [p for p in os.listdir('/proc') if p.isdigit()]\n"
            "    seen = [p for p in paths.split('\\n') if os.path.exists(p)]\n"
            "    return [os.getuid(), len(processes), ' '.join(seen)]",
            bash='paths="$1"\nseen=; while IFS= read -r p; do [ -e "$p" ] && seen="$seen $p"; done <<<"$paths"\n'
            "set -- /proc/[0-9]*\n"
            'printf \'[%s,%s,"%s"]\' "$UID" $# "$seen" >result.json',
        ),
        {"paths": "\n".join(map(str, hidden))},
    )
    uid, processes, seen = done.result
    assert uid not in (0, os.getuid())
    assert processes <= 5
    assert seen == ""


async def test_a_write_to_the_systems_directories_is_refused(language: str, run: Running) -> None:
    done = await run(
        language,
        script(
            language,
            python3="def main():\n    open('/usr/bin/mine', 'w')",
            bash="echo >/usr/bin/mine",
        ),
    )
    assert "Read-only file system" in done.error["message"] + done.log
