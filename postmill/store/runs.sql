-- Jobs as people and clients see them: one row each, queued, running or finished, in the contract's spelling.
-- row_to_json keeps the text of `json` columns as it is: key order, numbers, escapes.

-- name: get
SELECT row_to_json(wire)::text AS job, wire.state AS state FROM (
    SELECT CASE WHEN done.id IS NULL THEN 'QueuedJob' ELSE 'CompletedJob' END AS type,
        job.id, job.workspace_id, job.parent_job, job.root_job, job.created_by,
        to_char(job.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
        to_char(coalesce(done.started_at, queued.started_at, done.completed_at) AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at,
        to_char(done.completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS completed_at,
        to_char(job.scheduled_for AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS scheduled_for,
        to_char((queued.lease_until - make_interval(secs => %(lease_s)s)) AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last_ping,
        done.duration_ms, coalesce(queued.state = 'running', false) AS running,
        coalesce(done.status = 'success', false) AS success,
        coalesce(done.status = 'skipped', false) AS is_skipped,
        coalesce(done.canceled_by, queued.canceled_by) IS NOT NULL AS canceled,
        coalesce(done.canceled_by, queued.canceled_by) AS canceled_by,
        coalesce(done.canceled_reason, queued.canceled_reason) AS canceled_reason,
        job.kind AS job_kind, job.script_path, lpad(to_hex(job.script_hash), 16, '0') AS script_hash, job.language,
        CASE WHEN %(with_args)s THEN job.args END AS args,
        CASE WHEN %(with_result)s THEN done.result END AS result,
        coalesce(done.result_blob, false) AS result_is_large,
        CASE WHEN %(with_code)s THEN coalesce(job.content, script.content) END AS raw_code,
        CASE WHEN %(with_logs)s THEN (SELECT string_agg(content, '' ORDER BY position) FROM job_log
                                      WHERE job_log.job_id = job.id) END AS logs,
        job.permissioned_as, job.email, job.tag, job.priority, job.labels || coalesce(done.labels, '{}') AS labels,
        job.trigger_kind, job.visible_to_owner,
        false AS is_flow_step, NULL AS schedule_path, NULL AS flow_status, NULL AS raw_flow,
        coalesce(done.deleted, false) AS deleted,
        (nullif(done.memory_peak, 0) / 1024)::integer AS mem_peak,
        coalesce(done.worker, queued.worker) AS worker,
        coalesce(done.attempts, queued.attempts) AS attempts, done.end_reason, coalesce(done.cached, false) AS cached,
        queued.suspend, job.timeout_s AS timeout,
        CASE WHEN done.id IS NOT NULL THEN done.status
             WHEN queued.state = 'running' THEN 'running'
             WHEN queued.state = 'available' THEN 'queued'
             ELSE 'waiting' END AS state
    FROM job LEFT JOIN job_queue AS queued USING (id) LEFT JOIN job_completed AS done USING (id)
    LEFT JOIN script ON %(with_code)s AND script.workspace_id = job.workspace_id AND script.hash = job.script_hash
    WHERE job.id = %(id)s AND job.workspace_id = %(workspace)s
      AND (job.visible_to_owner OR job.email = %(email)s OR %(admin)s)
) AS wire

-- name: state
-- What a watcher compares: cheap, and asked often.
SELECT coalesce(queued.state = 'running', false) AS running, done.id IS NOT NULL AS completed, job.parent_job,
       coalesce(done.status, '') AS status, coalesce(done.attempts, queued.attempts) AS attempts,
       (nullif(done.memory_peak, 0) / 1024)::integer AS mem_peak,
       CASE WHEN done.status = 'success' AND progress.percent IS NOT NULL THEN 100 ELSE progress.percent END AS progress,
       coalesce((SELECT position + length(content) FROM job_stream WHERE job_id = job.id
                 ORDER BY position DESC LIMIT 1), 0) AS stream_end
FROM job LEFT JOIN job_progress AS progress ON progress.job_id = job.id
    LEFT JOIN job_queue AS queued USING (id) LEFT JOIN job_completed AS done USING (id)
WHERE job.id = %(id)s AND job.workspace_id = %(workspace)s
  AND (job.visible_to_owner OR job.email = %(email)s OR %(admin)s)

-- name: result
SELECT done.result::text AS result, done.result_blob, done.status, done.deleted
FROM job_completed AS done JOIN job USING (id)
WHERE job.id = %(id)s AND job.workspace_id = %(workspace)s
  AND (job.visible_to_owner OR job.email = %(email)s OR %(admin)s)

-- name: blob_row
SELECT bytes FROM blob WHERE id = %(id)s AND seq = %(seq)s

-- name: log
-- From the piece in which `offset` stands; the caller cuts.
SELECT position, content FROM job_log WHERE job_id = %(id)s AND position >= coalesce(
    (SELECT max(position) FROM job_log WHERE job_id = %(id)s AND position <= %(offset)s), 0)
ORDER BY position LIMIT %(pieces)s

-- name: args
SELECT job.args::text AS args FROM job WHERE job.id = %(id)s AND job.workspace_id = %(workspace)s
  AND (job.visible_to_owner OR job.email = %(email)s OR %(admin)s)

-- name: list
-- {filters} is made of the fragments of filters.py, with parameters only.
SELECT coalesce(json_agg(wire), '[]')::text AS jobs FROM (
    SELECT CASE WHEN done.id IS NULL THEN 'QueuedJob' ELSE 'CompletedJob' END AS type,
        job.id, job.workspace_id, job.parent_job, job.created_by,
        to_char(job.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
        to_char(coalesce(done.started_at, queued.started_at, done.completed_at) AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at,
        to_char(done.completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS completed_at,
        to_char(job.scheduled_for AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS scheduled_for,
        done.duration_ms, coalesce(queued.state = 'running', false) AS running,
        coalesce(done.status = 'success', false) AS success,
        coalesce(done.status = 'skipped', false) AS is_skipped,
        coalesce(done.canceled_by, queued.canceled_by) IS NOT NULL AS canceled,
        coalesce(done.canceled_by, queued.canceled_by) AS canceled_by,
        coalesce(done.canceled_reason, queued.canceled_reason) AS canceled_reason,
        job.kind AS job_kind, job.script_path, lpad(to_hex(job.script_hash), 16, '0') AS script_hash, job.language,
        job.permissioned_as, job.email, job.tag, job.priority, job.labels || coalesce(done.labels, '{}') AS labels,
        job.trigger_kind, job.visible_to_owner,
        false AS is_flow_step, coalesce(done.deleted, false) AS deleted,
        (nullif(done.memory_peak, 0) / 1024)::integer AS mem_peak,
        coalesce(done.worker, queued.worker) AS worker,
        coalesce(done.attempts, queued.attempts) AS attempts, done.end_reason,
        CASE WHEN done.id IS NOT NULL THEN done.status
             WHEN queued.state = 'running' THEN 'running'
             WHEN queued.state = 'available' THEN 'queued'
             ELSE 'waiting' END AS state
    FROM job LEFT JOIN job_queue AS queued USING (id) LEFT JOIN job_completed AS done USING (id)
    WHERE {filters}
    ORDER BY job.created_at {order}, job.id {order} LIMIT %(limit)s OFFSET %(offset)s
) AS wire

-- name: why
-- Everything that can keep a queued job waiting.
SELECT queued.state, queued.tag, queued.priority, queued.suspend, queued.suspend_until, queued.scheduled_for,
    extract(epoch FROM queued.scheduled_for - clock())::double precision AS due_in_s,
    queued.concurrency_key, concurrency_key.slots, concurrency_key.window_s,
    (SELECT count(*) FROM concurrency_slot AS slot WHERE slot.key = queued.concurrency_key
        AND (slot.until IS NULL OR slot.until > clock())) AS slots_taken,
    queued.only_worker,
    (SELECT count(*) FROM worker WHERE stopped_at IS NULL AND alive_until >= clock() AND NOT draining AND refuses = ''
        AND queued.tag = ANY(worker.tags)
        AND (queued.only_worker IS NULL OR worker.name = queued.only_worker)) AS workers,
    (SELECT min(refuses) FROM worker WHERE stopped_at IS NULL AND alive_until >= clock() AND NOT draining
        AND refuses <> '' AND queued.tag = ANY(worker.tags)) AS refused,
    (SELECT count(*) FROM (
        SELECT FROM job_queue AS other WHERE other.state = 'available' AND other.tag = queued.tag
          AND (other.priority > queued.priority OR (other.priority = queued.priority AND other.rank < queued.rank))
        LIMIT 1001) AS before) AS ahead
FROM job_queue AS queued LEFT JOIN concurrency_key ON concurrency_key.key = queued.concurrency_key
WHERE queued.id = %(id)s AND queued.workspace_id = %(workspace)s

-- name: count_by_path
SELECT count(*) AS queued FROM job_queue JOIN job USING (id)
WHERE job.workspace_id = %(workspace)s AND job.script_path = %(path)s AND job_queue.state <> 'running'

-- name: timing
SELECT to_char(job.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
       to_char(done.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at, done.duration_ms
FROM job_completed AS done JOIN job USING (id)
WHERE job.id = %(id)s AND job.workspace_id = %(workspace)s
  AND (job.visible_to_owner OR job.email = %(email)s OR %(admin)s)
