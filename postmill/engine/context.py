"""The contextual variables of a job: WM_* and BASE_INTERNAL_URL (the contract's names, all set always)."""

from datetime import UTC

from postmill.model.job import ClaimedJob


def state_path(job: ClaimedJob) -> str:
    """Where the clients keep the state of a script between runs."""
    username = job.permissioned_as.partition("/")[2]
    if not job.script_path:
        return f"u/{username}/tmp_state"
    return f"{job.script_path}/{'state' if job.script_path.endswith('/') else 'user'}"


def object_path(job: ClaimedJob) -> str:
    """A path for objects that the job writes, unique to it."""
    stamp = int(job.scheduled_for.timestamp() * 1000)
    return f"{(job.script_path or '').replace('/', '_')}/manual/{stamp}_{job.id}"


def contextual(job: ClaimedJob, *, token: str, base_url: str, internal_url: str, worker_group: str) -> dict[str, str]:
    """The environment that every job sees; "" where a variable has no meaning for it."""
    root = str(job.root_job) if job.root_job else ""
    return {
        "WM_WORKSPACE": job.workspace_id,
        "WM_TOKEN": token,
        "WM_EMAIL": job.email,
        "WM_USERNAME": job.created_by,
        "WM_BASE_URL": base_url,
        "BASE_INTERNAL_URL": internal_url,
        "WM_JOB_ID": str(job.id),
        "WM_SCHEDULED_FOR": job.scheduled_for.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "WM_JOB_PATH": job.script_path or "",
        "WM_FLOW_JOB_ID": str(job.parent_job) if job.parent_job and job.root_job else "",
        "WM_ROOT_FLOW_JOB_ID": root,
        "WM_ROOT_JOB_ID": root or str(job.id),
        "WM_FLOW_PATH": "",
        "WM_FLOW_STEP_ID": "",
        "WM_SCHEDULE_PATH": "",
        "WM_PERMISSIONED_AS": job.permissioned_as,
        "WM_STATE_PATH": state_path(job),
        "WM_STATE_PATH_NEW": state_path(job),
        "WM_OBJECT_PATH": object_path(job),
        "WM_WORKER_GROUP": worker_group,
        "WM_RUNNABLE_ID": f"{job.script_hash & (2**64 - 1):016x}" if job.script_hash is not None else "",
        "WM_END_USER_EMAIL": "",
    }
