-- name: lock_path
-- Deploys of one path come one after the other (a path that is new has no row to lock).
SELECT pg_advisory_xact_lock(hashtextextended(%(workspace)s || ':' || %(path)s, 0))

-- name: lock_imports
-- Who changes what is imported in a workspace goes one after the other: else a dependent that is deployed together with
-- its library could be resolved with the library's earlier head, and be missed when that one looks for its dependents.
SELECT pg_advisory_xact_lock(hashtextextended('imports:' || %(workspace)s, 0))

-- name: head
SELECT * FROM script WHERE workspace_id = %(workspace)s AND path = %(path)s AND NOT archived AND NOT deleted

-- name: locked_before
-- The nearest older version of the same path whose dependencies are resolved.
WITH RECURSIVE line AS (
    SELECT parent_hash AS hash, 1 AS depth, false AS found FROM script
    WHERE workspace_id = %(workspace)s AND hash = %(hash)s
    UNION ALL
    SELECT script.parent_hash, line.depth + 1, script.lock IS NOT NULL AND NOT script.deleted
    FROM line JOIN script ON script.workspace_id = %(workspace)s AND script.hash = line.hash
    WHERE NOT line.found AND script.path = %(path)s
)
SELECT script.* FROM line JOIN script ON script.workspace_id = %(workspace)s AND script.hash = line.hash
WHERE script.path = %(path)s AND script.lock IS NOT NULL AND NOT script.deleted ORDER BY line.depth LIMIT 1

-- name: latest
-- The head, or the newest archived version when there is none.
SELECT * FROM script WHERE workspace_id = %(workspace)s AND path = %(path)s AND NOT deleted
ORDER BY archived, created_at DESC LIMIT 1

-- name: version
SELECT * FROM script WHERE workspace_id = %(workspace)s AND hash = %(hash)s AND NOT deleted

-- name: hash_taken
SELECT FROM script WHERE workspace_id = %(workspace)s AND hash = %(hash)s

-- name: heads
SELECT path, content, language FROM script
WHERE workspace_id = %(workspace)s AND path = ANY(%(paths)s) AND language = %(language)s AND NOT archived AND NOT deleted

-- name: insert
INSERT INTO script (workspace_id, hash, path, parent_hash, summary, description, content, language, kind, schema, lock,
                    lock_job, no_main, tag, timeout_s, priority, concurrent_limit, concurrency_window_s, concurrency_key,
                    cache_ttl_s, delete_after_s, restart_unless_cancelled, visible_to_runner_only, dedicated_worker, strict, envs,
                    labels,
                    deployment_message, created_by)
VALUES (%(workspace_id)s, %(hash)s, %(path)s, %(parent_hash)s, %(summary)s, %(description)s, %(content)s, %(language)s,
        %(kind)s, %(schema)s, %(lock)s, %(lock_job)s, %(no_main)s, %(tag)s, %(timeout_s)s, %(priority)s, %(concurrent_limit)s,
        %(concurrency_window_s)s, %(concurrency_key)s, %(cache_ttl_s)s, %(delete_after_s)s,
        %(restart_unless_cancelled)s, %(visible_to_runner_only)s, %(dedicated_worker)s, %(strict)s, %(envs)s,
        %(labels)s,
        %(deployment_message)s, %(created_by)s)

-- name: archive_hash
UPDATE script SET archived = true WHERE workspace_id = %(workspace)s AND hash = %(hash)s AND NOT deleted RETURNING hash

-- name: archive_path
UPDATE script SET archived = true
WHERE workspace_id = %(workspace)s AND path = %(path)s AND NOT archived AND NOT deleted RETURNING hash

-- name: delete_hash
-- The content goes, the version stays as a link of the history.
UPDATE script SET deleted = true, archived = true, content = '', lock = NULL, schema = NULL
WHERE workspace_id = %(workspace)s AND hash = %(hash)s AND NOT deleted RETURNING path

-- name: delete_path
UPDATE script SET deleted = true, archived = true, content = '', lock = NULL, schema = NULL
WHERE workspace_id = %(workspace)s AND path = %(path)s AND NOT deleted RETURNING hash

-- name: history
SELECT hash, deployment_message, created_at, created_by FROM script
WHERE workspace_id = %(workspace)s AND path = %(path)s AND NOT deleted
ORDER BY created_at DESC LIMIT %(limit)s OFFSET %(offset)s

-- name: list
SELECT * FROM script
WHERE workspace_id = %(workspace)s AND NOT deleted
  AND (archived = %(archived)s)
  AND (%(path_start)s::text IS NULL OR starts_with(path, %(path_start)s))
  AND (%(path_exact)s::text IS NULL OR path = %(path_exact)s)
  AND (%(created_by)s::text IS NULL OR created_by = %(created_by)s)
  AND (%(without_main)s OR NOT no_main)
  AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s))
  AND (%(languages)s::text[] IS NULL OR language = ANY(%(languages)s))
  AND (%(label)s::text IS NULL OR %(label)s = ANY(labels))
  AND (%(parent_hash)s::bigint IS NULL OR parent_hash = %(parent_hash)s)
ORDER BY CASE WHEN %(ascending)s THEN created_at END, created_at DESC, path LIMIT %(limit)s OFFSET %(offset)s

-- name: list_paths
SELECT path FROM script WHERE workspace_id = %(workspace)s AND NOT archived AND NOT deleted ORDER BY path
