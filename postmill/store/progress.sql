-- name: set
-- Only of what runs, and never backwards: a call that was overtaken changes nothing.
INSERT INTO job_progress (job_id, percent)
SELECT id, %(percent)s FROM job_queue WHERE id = %(id)s AND workspace_id = %(workspace)s AND state = 'running'
ON CONFLICT (job_id) DO UPDATE SET percent = greatest(job_progress.percent, excluded.percent)
RETURNING percent
