-- The statements of a job's life. One verb, one statement, one guard: a guard that must stop the whole pipeline
-- raises (1 / 0) when it finds nothing, since row counts come back only after COMMIT was sent.

-- name: push
WITH definition AS (
    INSERT INTO job (id, workspace_id, kind, script_hash, script_path, language, content, args, tag, created_by,
                     permissioned_as, email, parent_job, root_job, trigger_kind, scheduled_for, priority, timeout_s,
                     concurrency_key, cache_key, cache_ttl_s, delete_after_s, perpetual, visible_to_owner, labels, envs)
    VALUES (%(id)s, %(workspace_id)s, %(kind)s, %(script_hash)s, %(script_path)s, %(language)s, %(content)s,
            %(args)s, %(tag)s, %(created_by)s, %(permissioned_as)s, %(email)s, %(parent_job)s, %(root_job)s,
            %(trigger_kind)s,
            coalesce(%(scheduled_for)s::timestamptz, clock() + make_interval(secs => %(scheduled_in_s)s)),
            %(priority)s, %(timeout_s)s, %(concurrency_key)s, %(cache_key)s, %(cache_ttl_s)s, %(delete_after_s)s,
            %(perpetual)s, %(visible_to_owner)s, %(labels)s, %(envs)s)
    RETURNING id, workspace_id, scheduled_for, priority, tag, concurrency_key
)
INSERT INTO job_queue (id, workspace_id, state, scheduled_for, priority, rank, tag, concurrency_key)
SELECT id, workspace_id,
       CASE WHEN scheduled_for > clock() THEN 'scheduled'
            WHEN concurrency_key IS NOT NULL THEN 'held'
            ELSE 'available' END,
       scheduled_for, priority, %(rank)s, tag, concurrency_key
FROM definition

-- name: push_cached
-- A hit in the result cache: the job is born finished. Nothing happens when there is no hit.
WITH hit AS (
    SELECT * FROM result_cache
    WHERE workspace_id = %(workspace_id)s AND key = %(cache_key)s AND expires_at > clock()
), definition AS (
    INSERT INTO job (id, workspace_id, kind, script_hash, script_path, language, content, args, tag, created_by,
                     permissioned_as, email, parent_job, root_job, trigger_kind, scheduled_for, priority, timeout_s,
                     delete_after_s, visible_to_owner, labels)
    SELECT %(id)s, %(workspace_id)s, %(kind)s, %(script_hash)s, %(script_path)s, %(language)s, %(content)s,
           %(args)s, %(tag)s, %(created_by)s, %(permissioned_as)s, %(email)s, %(parent_job)s, %(root_job)s,
           %(trigger_kind)s, clock(), %(priority)s, %(timeout_s)s, %(delete_after_s)s, %(visible_to_owner)s, %(labels)s
    FROM hit RETURNING id, workspace_id
)
INSERT INTO job_completed (id, workspace_id, status, result, labels, started_at, duration_ms, attempts, lease, cached,
                           delete_at)
SELECT definition.id, definition.workspace_id, 'success', hit.result, hit.labels, clock(), 0, 0, 0, true,
       clock() + make_interval(secs => %(delete_after_s)s::integer)
FROM definition, hit RETURNING id

-- name: remember_request
-- The Idempotency-Key: the first request with it makes the job, every other one is told which.
INSERT INTO idempotency (workspace_id, key, job_id, request_hash)
VALUES (%(workspace_id)s, %(key)s, %(job_id)s, %(request_hash)s)
ON CONFLICT (workspace_id, key) DO NOTHING RETURNING job_id

-- name: remembered_request
SELECT job_id, request_hash FROM idempotency WHERE workspace_id = %(workspace_id)s AND key = %(key)s

-- name: queued_ranks
-- What virtual time is worth: the lowest rank that can be claimed, and each workspace's highest.
SELECT workspace_id, min(rank) AS lowest, max(rank) AS highest FROM job_queue
WHERE state = 'available' GROUP BY workspace_id

-- name: plan_anew
-- For this transaction: the plan of a claim depends on how many jobs and tags are asked for.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: claim
-- Candidates without a lock, tag by tag along the index (some more than wanted, as others take at the same time), then
-- the best of them that nobody holds.
WITH candidate AS MATERIALIZED (
    SELECT best.* FROM unnest(%(tags)s::text[]) AS wanted (tag)
    CROSS JOIN LATERAL (
        SELECT id, priority, rank, scheduled_for FROM job_queue
        WHERE tag = wanted.tag AND state = 'available' AND (only_worker IS NULL OR only_worker = %(worker)s)
        ORDER BY priority DESC, rank, scheduled_for, id LIMIT %(count)s + 32
    ) AS best
), chosen AS MATERIALIZED (
    SELECT job_queue.id FROM job_queue JOIN candidate USING (id)
    WHERE job_queue.state = 'available'
    ORDER BY candidate.priority DESC, candidate.rank, candidate.scheduled_for, candidate.id
    LIMIT %(count)s FOR UPDATE OF job_queue SKIP LOCKED
), taken AS (
    UPDATE job_queue SET state = 'running', worker = %(worker)s, lease = lease + 1, attempts = attempts + 1,
        started_at = clock(), lease_until = clock() + make_interval(secs => %(lease_s)s)
    FROM chosen WHERE job_queue.id = chosen.id
    RETURNING job_queue.id, job_queue.lease, job_queue.attempts, job_queue.priority, job_queue.rank
)
SELECT taken.id, taken.lease, taken.attempts, job.workspace_id, job.kind, job.language,
       coalesce(job.content, script.content, '') AS content, job.args::text AS args, job.tag, job.created_by,
       job.permissioned_as, job.email, job.timeout_s, job.scheduled_for, job.script_hash, job.script_path,
       job.parent_job, job.root_job, job.concurrency_key, job.cache_key, job.perpetual, job.envs, script.lock,
       coalesce(script.dedicated_worker, false) AS dedicated,
       CASE WHEN taken.attempts > 1
            THEN (SELECT coalesce(max(position + length(content)), 0) FROM job_log WHERE job_id = taken.id)
            ELSE 0 END AS log_position,
       CASE WHEN taken.attempts > 1
            THEN (SELECT coalesce(max(position + length(content)), 0) FROM job_stream WHERE job_id = taken.id)
            ELSE 0 END AS stream_position,
       CASE WHEN script.schema::text ~ '"(password|sensitive)"' THEN script.schema::text END AS secret_schema
FROM taken JOIN job USING (id)
LEFT JOIN script ON script.workspace_id = job.workspace_id AND script.hash = job.script_hash
ORDER BY taken.priority DESC, taken.rank, taken.id

-- name: beat
UPDATE job_queue SET lease_until = clock() + make_interval(secs => %(lease_s)s)
FROM unnest(%(ids)s::uuid[], %(leases)s::integer[]) AS mine (id, lease)
WHERE job_queue.id = mine.id AND job_queue.lease = mine.lease AND job_queue.state = 'running'
RETURNING job_queue.id, job_queue.canceled_by IS NOT NULL AS canceled

-- name: append_log
WITH owned AS (
    SELECT id FROM job_queue WHERE id = %(id)s AND lease = %(lease)s AND state = 'running'
), chunk AS (
    -- The owner alone writes here: a piece that stands already is its own, sent again because an answer was lost.
    INSERT INTO job_log (job_id, position, content) SELECT id, %(position)s, %(content)s FROM owned
    ON CONFLICT (job_id, position) DO UPDATE SET content = excluded.content RETURNING 1
)
SELECT 1 / count(*) AS guard FROM chunk

-- name: finish
-- `running` says which kind of row is expected: a worker's own, or one that nobody runs. An accepted cancel wins.
WITH ended AS (
    DELETE FROM job_queue WHERE id = %(id)s AND lease = %(lease)s AND (state = 'running') = %(running)s RETURNING *
), done AS (
    INSERT INTO job_completed (id, workspace_id, status, result, result_blob, end_reason, started_at, duration_ms,
                               attempts, lease, worker, memory_peak, canceled_by, canceled_reason, labels, delete_at)
    SELECT ended.id, ended.workspace_id,
           CASE WHEN ended.canceled_by IS NULL THEN %(status)s ELSE 'canceled' END,
           CASE WHEN ended.canceled_by IS NULL THEN %(result)s::json
                ELSE json_build_object('error', json_build_object(
                    'name', 'Canceled',
                    'message', 'canceled by ' || ended.canceled_by || coalesce(': ' || nullif(ended.canceled_reason, ''), ''),
                    'stack', '')) END,
           CASE WHEN ended.canceled_by IS NULL THEN %(result_blob)s ELSE false END,
           CASE WHEN ended.canceled_by IS NULL THEN %(end_reason)s ELSE 'canceled' END,
           ended.started_at,
           greatest(0, coalesce(extract(epoch FROM clock() - ended.started_at), 0) * 1000)::bigint,
           ended.attempts, ended.lease, ended.worker, %(memory_peak)s,
           ended.canceled_by, ended.canceled_reason,
           CASE WHEN ended.canceled_by IS NULL
                THEN ARRAY(SELECT label FROM unnest(%(labels)s::text[]) WITH ORDINALITY AS said (label, place)
                           WHERE label <> ALL (job.labels) ORDER BY place)
                ELSE '{}' END,
           clock() + make_interval(secs => job.delete_after_s)
    FROM ended JOIN job USING (id) RETURNING status
)
SELECT 1 / count(*) AS guard, min(status) AS status FROM done

-- name: store_blob
INSERT INTO blob (id, seq, bytes) VALUES (%(id)s, %(seq)s, %(bytes)s)

-- name: drop_blob_of_canceled
DELETE FROM blob USING job_completed WHERE blob.id = %(id)s AND job_completed.id = blob.id AND NOT job_completed.result_blob

-- name: remember_result
INSERT INTO result_cache (workspace_id, key, job_id, result, labels, expires_at)
SELECT job.workspace_id, job.cache_key, job.id, done.result, done.labels, clock() + make_interval(secs => job.cache_ttl_s)
FROM job JOIN job_completed AS done USING (id)
WHERE job.id = %(id)s AND done.status = 'success' AND NOT done.result_blob AND job.cache_ttl_s > 0
ON CONFLICT (workspace_id, key) DO UPDATE
    SET job_id = excluded.job_id, result = excluded.result, labels = excluded.labels, expires_at = excluded.expires_at

-- name: push_again
-- A perpetual script: the next run of the same definition, unless this one was cancelled.
WITH definition AS (
    INSERT INTO job (id, workspace_id, kind, script_hash, script_path, language, content, args, tag, created_by,
                     permissioned_as, email, trigger_kind, scheduled_for, priority, timeout_s, concurrency_key,
                     delete_after_s, perpetual, visible_to_owner, labels, envs)
    SELECT %(new_id)s, job.workspace_id, job.kind, head.hash, job.script_path, head.language, NULL, job.args,
           job.tag, job.created_by, job.permissioned_as, job.email, job.trigger_kind,
           clock() + make_interval(secs => %(pause_s)s), job.priority, job.timeout_s, job.concurrency_key,
           job.delete_after_s, true, job.visible_to_owner, job.labels, job.envs
    FROM job JOIN job_completed AS done USING (id)
    JOIN script AS head ON head.workspace_id = job.workspace_id AND head.path = job.script_path
        AND NOT head.archived AND NOT head.deleted AND head.restart_unless_cancelled
    WHERE job.id = %(id)s AND done.status <> 'canceled'
    RETURNING *
)
INSERT INTO job_queue (id, workspace_id, state, scheduled_for, priority, rank, tag, concurrency_key)
SELECT id, workspace_id, 'scheduled', scheduled_for, priority, extract(epoch FROM clock()), tag, concurrency_key
FROM definition

-- name: completed_lease
SELECT lease FROM job_completed WHERE id = %(id)s

-- name: hand_back
-- A worker that stops returns what it runs: no death is counted. A cancelled one is not returned.
UPDATE job_queue SET state = 'available', worker = NULL, lease_until = NULL, started_at = NULL
WHERE id = %(id)s AND lease = %(lease)s AND state = 'running' AND canceled_by IS NULL RETURNING tag

-- name: lock_queued
SELECT id, state, lease, concurrency_key, canceled_by FROM job_queue
WHERE id = %(id)s AND workspace_id = %(workspace_id)s FOR UPDATE

-- name: request_cancel
UPDATE job_queue SET canceled_by = %(canceled_by)s, canceled_reason = %(reason)s
WHERE id = %(id)s AND canceled_by IS NULL RETURNING state

-- name: expired
SELECT id, lease, worker, canceled_by, concurrency_key, deaths FROM job_queue
WHERE state = 'running' AND lease_until < clock()
ORDER BY lease_until LIMIT %(count)s FOR UPDATE SKIP LOCKED

-- name: anything_to_rescue
SELECT EXISTS (SELECT FROM job_queue WHERE state = 'running' AND lease_until < clock())
    OR EXISTS (SELECT FROM job_queue WHERE state = 'available' AND only_worker IS NOT NULL) AS found

-- name: rescue
UPDATE job_queue SET state = 'available', worker = NULL, lease_until = NULL, started_at = NULL, deaths = deaths + 1
WHERE id = %(id)s AND lease = %(lease)s AND state = 'running' RETURNING tag

-- name: lost_workers
-- Jobs that only a dead worker may run.
SELECT id, lease, concurrency_key FROM job_queue
WHERE state = 'available' AND only_worker IS NOT NULL
  AND NOT EXISTS (SELECT FROM worker WHERE name = only_worker AND alive_until >= clock())
LIMIT %(count)s FOR UPDATE SKIP LOCKED

-- name: due
UPDATE job_queue SET state = CASE WHEN concurrency_key IS NULL THEN 'available' ELSE 'held' END
WHERE id IN (
    SELECT id FROM job_queue WHERE state = 'scheduled' AND scheduled_for <= clock()
    ORDER BY scheduled_for LIMIT %(count)s FOR UPDATE SKIP LOCKED
)
RETURNING tag, concurrency_key

-- name: next_due
SELECT extract(epoch FROM min(scheduled_for) - clock())::double precision AS seconds FROM job_queue
WHERE state = 'scheduled'
