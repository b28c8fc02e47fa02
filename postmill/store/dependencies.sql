-- name: forget_imports
DELETE FROM script_import WHERE workspace_id = %(workspace)s AND path = %(path)s

-- name: remember_imports
INSERT INTO script_import (workspace_id, path, imports)
SELECT %(workspace)s, %(path)s, imported FROM unnest(%(imports)s::text[]) AS imported
ON CONFLICT DO NOTHING

-- name: dependents
-- The heads whose imports lead to one of these, however indirectly.
WITH RECURSIVE importer AS (
    SELECT path FROM script_import WHERE workspace_id = %(workspace)s AND imports = ANY(%(imports)s)
    UNION
    SELECT script_import.path FROM importer
    JOIN script_import ON script_import.workspace_id = %(workspace)s AND script_import.imports = importer.path
)
SELECT script.hash, script.path, script.tag FROM script JOIN importer USING (path)
WHERE script.workspace_id = %(workspace)s AND NOT script.archived AND NOT script.deleted AND script.language = 'python3'
ORDER BY script.path

-- name: expect
UPDATE script SET lock_job = %(job)s WHERE workspace_id = %(workspace)s AND hash = %(hash)s AND NOT deleted RETURNING path

-- name: settle
-- What a dependency job's end means for its version. A job that another one has replaced has no say any more, and a
-- failure leaves a lock that was there before.
UPDATE script SET
    lock = CASE WHEN done.status = 'success' THEN coalesce(%(lock)s, done.result ->> 'lock', '') ELSE script.lock END,
    lock_error = CASE WHEN done.status = 'success' THEN NULL
                      ELSE coalesce(done.result #>> '{error,message}', done.status) END
FROM job JOIN job_completed AS done USING (id)
WHERE job.id = %(job)s AND job.kind = 'dependencies' AND script.workspace_id = job.workspace_id
  AND script.hash = job.script_hash AND script.lock_job = job.id AND NOT script.deleted
RETURNING script.hash

-- name: files
SELECT name, content FROM workspace_dependencies
WHERE workspace_id = %(workspace)s AND language = %(language)s AND NOT archived

-- name: file
SELECT * FROM workspace_dependencies
WHERE workspace_id = %(workspace)s AND language = %(language)s AND name = %(name)s AND NOT archived

-- name: list_files
SELECT * FROM workspace_dependencies WHERE workspace_id = %(workspace)s AND NOT archived ORDER BY language, name

-- name: archive_file
UPDATE workspace_dependencies SET archived = true
WHERE workspace_id = %(workspace)s AND language = %(language)s AND name = %(name)s AND NOT archived RETURNING id

-- name: delete_file
DELETE FROM workspace_dependencies
WHERE workspace_id = %(workspace)s AND language = %(language)s AND name = %(name)s RETURNING id

-- name: insert_file
INSERT INTO workspace_dependencies (workspace_id, language, name, description, content, created_by)
VALUES (%(workspace)s, %(language)s, %(name)s, %(description)s, %(content)s, %(created_by)s) RETURNING id
