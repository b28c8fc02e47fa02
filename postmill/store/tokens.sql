-- name: identify
-- Token, account and membership of the workspace asked for, in one look. Without a workspace its columns are null.
SELECT token.prefix, token.kind, token.scopes, token.read_only, token.workspace_id AS bound_to, token.expiration,
       coalesce(token.expiration <= clock(), false) AS expired,
       token.last_used_at < clock() - interval '1 minute' AS stale,
       account.email, account.super_admin, account.disabled AS account_disabled,
       workspace.id AS workspace, member.username, member.role, coalesce(member.disabled, false) AS member_disabled
FROM token
JOIN account ON account.email = token.email
LEFT JOIN workspace ON workspace.id = %(workspace)s AND NOT workspace.deleted
LEFT JOIN member ON member.workspace_id = workspace.id AND member.email = account.email
WHERE token.hash = %(hash)s;

-- name: touch
-- The guard is repeated: of many replicas that saw a stale row one writes. A session slides, at most hourly.
UPDATE token
SET last_used_at = clock(),
    expiration = CASE
        WHEN kind = 'session' AND expiration < clock() + %(idle)s - interval '1 hour'
        THEN greatest(expiration, least(clock() + %(idle)s, created_at + %(longest)s))
        ELSE expiration
    END
WHERE hash = %(hash)s AND last_used_at < clock() - interval '1 minute';

-- name: running_job
SELECT job.workspace_id AS workspace, job.email, job.permissioned_as,
       coalesce(account.super_admin, false) AS super_admin, coalesce(account.disabled, true) AS account_disabled,
       member.username, member.role, coalesce(member.disabled, false) AS member_disabled
FROM job_queue
JOIN job ON job.id = job_queue.id
JOIN workspace ON workspace.id = job.workspace_id AND NOT workspace.deleted
LEFT JOIN account ON account.email = job.email
LEFT JOIN member ON member.workspace_id = job.workspace_id AND member.email = job.email
WHERE job_queue.id = %(job)s AND job_queue.lease = %(lease)s AND job_queue.state = 'running';

-- name: insert
INSERT INTO token (hash, prefix, email, kind, label, workspace_id, scopes, read_only, expiration)
VALUES (%(hash)s, %(prefix)s, %(email)s, %(kind)s, %(label)s, %(workspace_id)s, %(scopes)s, %(read_only)s,
        coalesce(%(expiration)s, clock() + %(lasts)s))
ON CONFLICT DO NOTHING;

-- name: list_of
SELECT prefix AS token_prefix, label, expiration, created_at, last_used_at, scopes, email, workspace_id, read_only
FROM token
WHERE email = %(email)s
  AND (%(bound_to)s::text IS NULL OR workspace_id = %(bound_to)s)
  AND NOT (%(exclude_sessions)s AND kind = 'session')
ORDER BY created_at DESC, prefix
LIMIT %(limit)s OFFSET %(offset)s;

-- name: delete_by_prefix
DELETE FROM token
WHERE email = %(email)s AND prefix = %(prefix)s AND (%(bound_to)s::text IS NULL OR workspace_id = %(bound_to)s)
RETURNING hash;

-- name: delete_session
DELETE FROM token WHERE hash = %(hash)s AND kind = 'session';

-- name: make_secret
INSERT INTO instance_secret (name, value) VALUES (%(name)s, %(value)s) ON CONFLICT DO NOTHING;

-- name: read_secret
SELECT value FROM instance_secret WHERE name = %(name)s;

-- name: replace_secret
INSERT INTO instance_secret (name, value) VALUES (%(name)s, %(value)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, created_at = excluded.created_at;

-- name: spend_secret
DELETE FROM instance_secret WHERE name = %(name)s AND value = %(value)s;

-- name: delete_secret
DELETE FROM instance_secret WHERE name = %(name)s;
