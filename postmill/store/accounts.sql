-- name: lock_setup
-- Whoever wants to make the first account comes through here one after another.
SELECT pg_advisory_xact_lock(hashtext('postmill set-up'));

-- name: any_account
SELECT EXISTS (SELECT FROM account) AS found;

-- name: for_login
SELECT email, password_hash, disabled FROM account WHERE email = %(email)s;

-- name: get
SELECT email, login_type, super_admin, verified, name, company, disabled, created_at FROM account WHERE email = %(email)s;

-- name: insert
INSERT INTO account (email, password_hash, super_admin, name, company)
VALUES (%(email)s, %(password_hash)s, %(super_admin)s, %(name)s, %(company)s)
ON CONFLICT DO NOTHING;

-- name: rehash
UPDATE account SET password_hash = %(new)s WHERE email = %(email)s AND password_hash = %(old)s;
