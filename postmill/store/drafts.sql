-- Drafts: what one person has written of an item and not deployed yet. `value` is `json`, so that its text is kept.

-- name: save
INSERT INTO draft (workspace_id, kind, path, email, value, base_hash, saved_at)
VALUES (%(workspace)s, %(kind)s, %(path)s, %(email)s, %(value)s::json, %(base_hash)s, clock())
ON CONFLICT (workspace_id, kind, path, email)
    DO UPDATE SET value = excluded.value, base_hash = excluded.base_hash, saved_at = excluded.saved_at
RETURNING saved_at

-- name: lock
-- The same person in two windows: the later save waits, and then sees what the earlier one wrote.
SELECT FROM draft
WHERE workspace_id = %(workspace)s AND kind = %(kind)s AND path = %(path)s AND email = %(email)s FOR UPDATE

-- name: get
SELECT value::text AS value, base_hash, saved_at FROM draft
WHERE workspace_id = %(workspace)s AND kind = %(kind)s AND path = %(path)s AND email = %(email)s

-- name: head
SELECT hash FROM script WHERE workspace_id = %(workspace)s AND path = %(path)s AND NOT archived AND NOT deleted

-- name: of_others
SELECT member.username, draft.saved_at FROM draft
LEFT JOIN member ON member.workspace_id = draft.workspace_id AND member.email = draft.email
WHERE draft.workspace_id = %(workspace)s AND draft.kind = %(kind)s AND draft.path = %(path)s
  AND draft.email <> %(email)s
ORDER BY draft.saved_at DESC

-- name: list
-- One row an item, with the draft of whoever asks where there is one, else the newest.
SELECT kind, path, summary, created_at, mine, usernames,
    NOT EXISTS (SELECT FROM script WHERE script.workspace_id = %(workspace)s AND script.path = item.path
                AND NOT script.archived AND NOT script.deleted) AS draft_only
FROM (
    SELECT draft.kind, draft.path, bool_or(draft.email = %(email)s) AS mine,
        (array_agg(draft.saved_at ORDER BY draft.email = %(email)s DESC, draft.saved_at DESC))[1] AS created_at,
        (array_agg(draft.value ->> 'summary' ORDER BY draft.email = %(email)s DESC, draft.saved_at DESC))[1] AS summary,
        array_agg(coalesce(member.username, draft.email) ORDER BY draft.saved_at DESC) AS usernames
    FROM draft LEFT JOIN member ON member.workspace_id = draft.workspace_id AND member.email = draft.email
    WHERE draft.workspace_id = %(workspace)s AND (%(all_users)s OR draft.email = %(email)s)
    GROUP BY draft.kind, draft.path
) AS item
ORDER BY created_at DESC, path LIMIT %(limit)s OFFSET %(offset)s

-- name: email_of
SELECT email FROM member WHERE workspace_id = %(workspace)s AND username = %(username)s

-- name: delete
DELETE FROM draft WHERE workspace_id = %(workspace)s AND kind = %(kind)s AND path = ANY(%(paths)s) AND email = %(email)s
