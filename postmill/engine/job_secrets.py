"""What the log of a job must not show."""

import json

from postmill.language import signature
from postmill.language.secret_arguments import secret_values
from postmill.model.job import ClaimedJob


def job_secrets(job: ClaimedJob, token: str) -> tuple[str, ...]:
    """The job's token, and the arguments that its schema calls passwords."""
    schema = None
    if job.secret_schema is not None:
        schema = json.loads(job.secret_schema)
    elif job.kind == "preview" and "SecretStr" in job.content:
        # Without a version there is no schema but the source itself.
        schema = signature(job.language, job.content).schema
    if schema is None:
        return (token,)
    # A number of 5,000 digits is none that Python reads.
    return (token, *secret_values(schema, json.loads(job.args, parse_int=str, parse_float=str)))
