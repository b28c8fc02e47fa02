"""The token of a job, without a database."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from postmill.auth.job_tokens import is_genuine, job_token, read

KEY = b"k" * 32
JOB = UUID(int=7)


@given(st.uuids(), st.integers(0, 2**31 - 1), st.text(min_size=1, max_size=50))
def test_a_token_is_read_as_it_was_made(job: UUID, lease: int, workspace: str) -> None:
    token = read(job_token(KEY, job, lease, workspace))
    assert token is not None
    assert (token.job, token.lease) == (job, lease)
    assert is_genuine(KEY, token, workspace)
    assert not is_genuine(KEY, token, workspace + "x")
    assert not is_genuine(KEY + b"x", token, workspace)


hexes = st.text("0123456789abcdef", min_size=63, max_size=65)


@given(
    st.text(max_size=120)
    | st.builds(lambda job, lease, mac: f"pmj_{job[:32]}_{lease}_{mac}", hexes, st.integers(-1, 2**40), hexes)
)
def test_whatever_else_is_shown_is_no_genuine_token(text: str) -> None:
    token = read(text)
    assert token is None or not is_genuine(KEY, token, "main")


def test_another_lease_is_another_token() -> None:
    good = job_token(KEY, JOB, 1, "main")
    forged = read(good.replace("_1_", "_2_"))
    assert forged is not None and not is_genuine(KEY, forged, "main")


def test_endings_and_digits_of_other_alphabets_are_not_taken() -> None:
    good = job_token(KEY, JOB, 1, "main")
    assert read(good) is not None
    for bad in (
        good + "\n",
        good.upper(),
        good.replace("_1_", "_\u0661_"),
        good.replace("_1_", f"_{2**31}_"),
        " " + good,
    ):
        assert read(bad) is None
