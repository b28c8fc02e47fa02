-- name: insert
INSERT INTO workspace (id, name, owner) VALUES (%(id)s, %(name)s, %(owner)s) ON CONFLICT DO NOTHING;

-- name: exists
-- A deleted workspace keeps its name.
SELECT EXISTS (SELECT FROM workspace WHERE id = %(id)s) AS found;

-- name: name_of
SELECT name FROM workspace WHERE id = %(id)s AND NOT deleted;

-- name: of_account
SELECT workspace.id, workspace.name, workspace.owner, member.username, member.role, member.disabled
FROM member
JOIN workspace ON workspace.id = member.workspace_id AND NOT workspace.deleted
WHERE member.email = %(email)s AND (%(only)s::text IS NULL OR workspace.id = %(only)s)
ORDER BY workspace.id;

-- name: add_member
INSERT INTO member (workspace_id, email, username, role) VALUES (%(workspace)s, %(email)s, %(username)s, %(role)s)
ON CONFLICT DO NOTHING;

-- name: members
SELECT member.email, member.username, member.role, member.disabled OR account.disabled AS disabled, member.created_at,
       account.super_admin, account.name
FROM member
JOIN account ON account.email = member.email
WHERE member.workspace_id = %(workspace)s
ORDER BY member.username
LIMIT %(limit)s OFFSET %(offset)s;

-- name: member_by_email
SELECT member.email, member.username, member.role, member.disabled OR account.disabled AS disabled, member.created_at,
       account.super_admin, account.name
FROM member
JOIN account ON account.email = member.email
WHERE member.workspace_id = %(workspace)s AND member.email = %(email)s;

-- name: member_by_username
SELECT member.email, member.username, member.role, member.disabled OR account.disabled AS disabled, member.created_at,
       account.super_admin, account.name
FROM member
JOIN account ON account.email = member.email
WHERE member.workspace_id = %(workspace)s AND member.username = %(username)s;
