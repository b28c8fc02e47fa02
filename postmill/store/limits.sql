-- Concurrency limits. Whoever counts the slots of a key holds the key's row first (`lock_key`, a statement of its own:
-- the count must see what was committed before the lock was had).

-- name: declare_key
INSERT INTO concurrency_key (key, slots, window_s) VALUES (%(key)s, %(slots)s, %(window_s)s)
ON CONFLICT (key) DO UPDATE SET slots = excluded.slots, window_s = excluded.window_s

-- name: lock_key
SELECT key FROM concurrency_key WHERE key = %(key)s FOR UPDATE

-- name: promote
-- Fill the free slots of a key with the best of its held jobs.
WITH room AS (
    SELECT greatest(0, slots - (
        SELECT count(*) FROM concurrency_slot AS slot
        WHERE slot.key = concurrency_key.key AND (slot.until IS NULL OR slot.until > clock())
    ))::integer AS places
    FROM concurrency_key WHERE key = %(key)s
), next AS (
    SELECT id FROM job_queue WHERE concurrency_key = %(key)s AND state = 'held'
    ORDER BY priority DESC, rank, scheduled_for, id LIMIT (SELECT places FROM room) FOR UPDATE SKIP LOCKED
), slots AS (
    INSERT INTO concurrency_slot (job_id, key) SELECT id, %(key)s FROM next
)
UPDATE job_queue SET state = 'available' FROM next WHERE job_queue.id = next.id RETURNING tag

-- name: leave
-- The job has ended: its slot is free, or stays taken until the window since its start is over.
WITH mine AS (
    SELECT slot.job_id, done.started_at + make_interval(secs => concurrency_key.window_s) AS until
    FROM concurrency_slot AS slot JOIN concurrency_key USING (key)
    LEFT JOIN job_completed AS done ON done.id = slot.job_id
    WHERE slot.job_id = %(id)s
), kept AS (
    UPDATE concurrency_slot SET until = mine.until FROM mine
    WHERE concurrency_slot.job_id = mine.job_id AND mine.until > clock()
)
DELETE FROM concurrency_slot USING mine
WHERE concurrency_slot.job_id = mine.job_id AND (mine.until IS NULL OR mine.until <= clock())

-- name: waiting_keys
-- The net: keys with held jobs and room, or with slots whose window is over.
SELECT DISTINCT key FROM concurrency_slot WHERE until <= clock()
UNION
SELECT DISTINCT held.concurrency_key FROM job_queue AS held WHERE held.state = 'held' AND (
    SELECT count(*) FROM concurrency_slot AS slot
    WHERE slot.key = held.concurrency_key AND (slot.until IS NULL OR slot.until > clock())
) < (SELECT slots FROM concurrency_key WHERE key = held.concurrency_key)

-- name: forget_windows
DELETE FROM concurrency_slot WHERE key = %(key)s AND until <= clock()
