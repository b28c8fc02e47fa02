-- name: old_jobs
-- A batch of finished jobs past the retention, with all that is theirs.
WITH old AS (
    SELECT id FROM job_completed WHERE completed_at < clock() - make_interval(days => %(days)s)
    ORDER BY completed_at LIMIT %(count)s FOR UPDATE SKIP LOCKED
), logs AS (
    DELETE FROM job_log USING old WHERE job_id = old.id
), streams AS (
    DELETE FROM job_stream USING old WHERE job_id = old.id
), progress AS (
    DELETE FROM job_progress USING old WHERE job_id = old.id
), blobs AS (
    DELETE FROM blob USING old WHERE blob.id = old.id
), slots AS (
    DELETE FROM concurrency_slot USING old WHERE job_id = old.id AND until <= clock()
)
DELETE FROM job_completed USING old WHERE job_completed.id = old.id RETURNING job_completed.id

-- name: definitions
DELETE FROM job WHERE id = ANY(%(ids)s) AND NOT EXISTS (SELECT FROM job_queue WHERE job_queue.id = job.id)

-- name: delete_after
-- delete_after_secs: arguments, log, result and what was streamed of it go; that the job was there stays.
WITH due AS (
    SELECT id FROM job_completed WHERE delete_at <= clock() AND NOT deleted
    ORDER BY delete_at LIMIT %(count)s FOR UPDATE SKIP LOCKED
), logs AS (
    DELETE FROM job_log USING due WHERE job_id = due.id
), streams AS (
    DELETE FROM job_stream USING due WHERE job_id = due.id
), blobs AS (
    DELETE FROM blob USING due WHERE blob.id = due.id
), cached AS (
    DELETE FROM result_cache USING due WHERE result_cache.job_id = due.id
), definition AS (
    UPDATE job SET args = '{}', content = CASE WHEN kind = 'preview' THEN '' END, envs = '{}' FROM due WHERE job.id = due.id
)
UPDATE job_completed SET deleted = true, result = NULL, result_blob = false FROM due
WHERE job_completed.id = due.id RETURNING job_completed.id

-- name: small_things
WITH cached AS (
    DELETE FROM result_cache WHERE expires_at <= clock()
), requests AS (
    DELETE FROM idempotency WHERE created_at < clock() - interval '1 day'
), tokens AS (
    DELETE FROM token WHERE expiration < clock() - interval '7 days'
)
DELETE FROM concurrency_key WHERE NOT EXISTS (SELECT FROM concurrency_slot WHERE concurrency_slot.key = concurrency_key.key)
    AND NOT EXISTS (SELECT FROM job_queue WHERE job_queue.concurrency_key = concurrency_key.key)
