-- name: append
WITH owned AS (
    SELECT id FROM job_queue WHERE id = %(id)s AND lease = %(lease)s AND state = 'running'
), chunk AS (
    -- The owner alone writes here: a piece that stands already is its own, sent again because an answer was lost.
    INSERT INTO job_stream (job_id, position, content) SELECT id, %(position)s, %(content)s FROM owned
    ON CONFLICT (job_id, position) DO UPDATE SET content = excluded.content RETURNING 1
)
SELECT 1 / count(*) AS guard FROM chunk

-- name: read
-- From the piece in which `offset` stands; the caller cuts.
SELECT position, content FROM job_stream WHERE job_id = %(id)s AND position >= coalesce(
    (SELECT max(position) FROM job_stream WHERE job_id = %(id)s AND position <= %(offset)s), 0)
ORDER BY position LIMIT %(pieces)s
