-- name: beat
-- The first beat registers; a last one, with `leaving`, signs off.
INSERT INTO worker (name, worker_group, instance, pid, ip, version, isolation, how, networks, no_filter, limits_by,
                    refuses, database, tags, slots, alive_until)
VALUES (%(name)s, %(worker_group)s, %(instance)s, %(pid)s, %(ip)s, %(version)s, %(isolation)s, %(how)s, %(networks)s,
        %(no_filter)s, %(limits_by)s, %(refuses)s, %(database)s, %(tags)s, %(slots)s,
        clock() + make_interval(secs => %(lease_s)s))
ON CONFLICT (name) DO UPDATE SET ping_at = clock(), memory = %(memory)s, jobs_executed = %(jobs_executed)s,
    draining = %(draining)s, alive_until = CASE WHEN %(leaving)s THEN clock() ELSE excluded.alive_until END,
    stopped_at = CASE WHEN %(leaving)s THEN clock() END

-- name: forget
DELETE FROM worker WHERE alive_until < clock() - interval '1 hour'

-- name: list_alive
-- Workers that beat within the last `since` seconds, with what they run.
SELECT worker.*, extract(epoch FROM clock() - ping_at)::double precision AS silent_s, alive_until >= clock() AS alive,
       current.id AS last_job_id, current.workspace_id AS last_job_workspace_id, running.count AS running
FROM worker
LEFT JOIN LATERAL (
    SELECT id, workspace_id FROM job_queue WHERE job_queue.worker = worker.name AND state = 'running'
    ORDER BY started_at DESC LIMIT 1
) AS current ON true
CROSS JOIN LATERAL (
    SELECT count(*) FROM job_queue WHERE job_queue.worker = worker.name AND state = 'running'
) AS running
WHERE stopped_at IS NULL AND ping_at > clock() - make_interval(secs => %(since_s)s)
ORDER BY ping_at DESC, name LIMIT %(limit)s OFFSET %(offset)s

-- name: count_alive
SELECT count(*) AS workers FROM worker WHERE stopped_at IS NULL AND alive_until >= clock()
