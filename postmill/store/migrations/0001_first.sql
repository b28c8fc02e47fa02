-- Forward only; expand, then contract. Runs as the owner, postmill_system.

-- Product time is database time, through this one function. Tests move it; nobody else does.
CREATE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT statement_timestamp() + coalesce(nullif(current_setting('postmill.clock_offset', true), ''), '0')::interval
$$;

-- What the second wall compares with (store/db.py sets both for each transaction of the API).
CREATE FUNCTION actor_workspace() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('postmill.workspace', true), '')
$$;

-- Arguments and results are `json`, whose text is kept; the lists of jobs compare them as `jsonb`, which cannot hold all
-- of it (U+0000, half of a surrogate pair, a number of 20,000 digits). Such a document is NULL, and fits no filter: one
-- strange job must not break a list. (pg_input_is_valid would do from Postgres 16 on.)
CREATE FUNCTION comparable(document json) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN document::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;

-- People ---------------------------------------------------------------------------------------------------------

CREATE TABLE workspace (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,49}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    owner text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock(),
    deleted boolean NOT NULL DEFAULT false
);

CREATE TABLE account (
    email text PRIMARY KEY CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 255),
    password_hash text,
    login_type text NOT NULL DEFAULT 'password',
    super_admin boolean NOT NULL DEFAULT false,
    verified boolean NOT NULL DEFAULT true,
    name text,
    company text,
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock()
);

CREATE TABLE member (
    workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    email text NOT NULL REFERENCES account (email) ON DELETE CASCADE ON UPDATE CASCADE,
    username text NOT NULL CHECK (username ~ '^[A-Za-z0-9_][A-Za-z0-9_-]{0,49}$'),
    role text NOT NULL DEFAULT 'developer' CHECK (role IN ('admin', 'developer', 'operator')),
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (workspace_id, email),
    UNIQUE (workspace_id, username)
);
CREATE INDEX member_email ON member (email);

-- Only the SHA-256 of a token is kept: it is 256 bits of chance, so a fast hash is enough.
CREATE TABLE token (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    prefix text NOT NULL CHECK (length(prefix) = 10),
    email text NOT NULL REFERENCES account (email) ON DELETE CASCADE ON UPDATE CASCADE,
    kind text NOT NULL DEFAULT 'api' CHECK (kind IN ('session', 'api')),
    label text,
    workspace_id text REFERENCES workspace (id) ON DELETE CASCADE,
    scopes text[],
    read_only boolean NOT NULL DEFAULT false,
    expiration timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock(),
    last_used_at timestamptz NOT NULL DEFAULT clock()
);
CREATE UNIQUE INDEX token_prefix ON token (email, prefix);

-- Secrets of the instance: the key of job tokens, the hash of the one-time set-up link. Not for postmill_api.
CREATE TABLE instance_secret (
    name text PRIMARY KEY,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock()
);

-- Scripts --------------------------------------------------------------------------------------------------------

CREATE TABLE script (
    workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    hash bigint NOT NULL,
    path text NOT NULL CHECK (path ~ '^[uf]/[^/]+/.+$' AND length(path) <= 255),
    parent_hash bigint,
    summary text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    content text NOT NULL,
    language text NOT NULL,
    kind text NOT NULL DEFAULT 'script',
    schema json,
    lock text,
    lock_error text,
    lock_job uuid,
    no_main boolean NOT NULL DEFAULT false,
    tag text,
    timeout_s integer CHECK (timeout_s > 0),
    priority smallint CHECK (priority BETWEEN 0 AND 100),
    concurrent_limit integer CHECK (concurrent_limit > 0),
    concurrency_window_s integer CHECK (concurrency_window_s >= 0),
    concurrency_key text,
    cache_ttl_s integer CHECK (cache_ttl_s >= 0),
    delete_after_s integer CHECK (delete_after_s >= 0),
    restart_unless_cancelled boolean NOT NULL DEFAULT false,
    visible_to_runner_only boolean NOT NULL DEFAULT false,
    dedicated_worker boolean NOT NULL DEFAULT false,
    strict boolean NOT NULL DEFAULT false,
    envs text[] NOT NULL DEFAULT '{}',
    labels text[] NOT NULL DEFAULT '{}',
    deployment_message text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock(),
    archived boolean NOT NULL DEFAULT false,
    deleted boolean NOT NULL DEFAULT false,
    PRIMARY KEY (workspace_id, hash),
    FOREIGN KEY (workspace_id, parent_hash) REFERENCES script (workspace_id, hash),
    -- Linear history: a version has one successor.
    UNIQUE (workspace_id, parent_hash)
);
-- A path has one head; a deploy archives the head that it replaces in the same transaction.
CREATE UNIQUE INDEX script_head ON script (workspace_id, path) WHERE NOT archived AND NOT deleted;
CREATE INDEX script_path ON script (workspace_id, path, created_at DESC);

-- What the head of a path imports from the workspace: paths of libraries, and `dependencies/…` for its dependency files.
CREATE TABLE script_import (
    workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    path text NOT NULL,
    imports text NOT NULL,
    PRIMARY KEY (workspace_id, imports, path)
);
CREATE INDEX script_import_path ON script_import (workspace_id, path);

-- Requirements that scripts share; a change is a new row. The name '' is the file that every script is given.
CREATE TABLE workspace_dependencies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    language text NOT NULL,
    name text NOT NULL DEFAULT '' CHECK (name ~ '^[A-Za-z0-9_-]*$' AND length(name) <= 100),
    description text NOT NULL DEFAULT '',
    content text NOT NULL,
    archived boolean NOT NULL DEFAULT false,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE UNIQUE INDEX workspace_dependencies_head ON workspace_dependencies (workspace_id, language, name)
    WHERE NOT archived;

CREATE TABLE draft (
    workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('script', 'flow', 'app')),
    path text NOT NULL CHECK (length(path) <= 255),
    email text NOT NULL REFERENCES account (email) ON DELETE CASCADE ON UPDATE CASCADE,
    value json NOT NULL,
    base_hash bigint,
    saved_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (workspace_id, kind, path, email)
);

-- Jobs -----------------------------------------------------------------------------------------------------------

-- The definition and the arguments: written once. No foreign key to workspace: each push would lock the same row.
CREATE TABLE job (
    id uuid PRIMARY KEY,
    workspace_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('script', 'preview', 'dependencies')),
    script_hash bigint,
    script_path text,
    language text NOT NULL,
    content text,
    args json NOT NULL,
    tag text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock(),
    permissioned_as text NOT NULL,
    email text NOT NULL,
    parent_job uuid,
    root_job uuid,
    trigger_kind text NOT NULL DEFAULT 'api',
    scheduled_for timestamptz NOT NULL,
    priority smallint NOT NULL DEFAULT 0,
    timeout_s integer NOT NULL CHECK (timeout_s > 0),
    concurrency_key text,
    cache_key bytea,
    cache_ttl_s integer,
    delete_after_s integer,
    perpetual boolean NOT NULL DEFAULT false,
    visible_to_owner boolean NOT NULL DEFAULT true,
    labels text[] NOT NULL DEFAULT '{}',
    envs text[] NOT NULL DEFAULT '{}',
    CHECK (kind <> 'script' OR script_hash IS NOT NULL),
    CHECK (kind <> 'preview' OR content IS NOT NULL),
    CHECK (kind <> 'dependencies' OR script_hash IS NOT NULL OR content IS NOT NULL)
);
CREATE INDEX job_list ON job (workspace_id, created_at DESC, id);
CREATE INDEX job_path ON job (workspace_id, script_path, created_at DESC) WHERE script_path IS NOT NULL;
CREATE INDEX job_parent ON job (parent_job) WHERE parent_job IS NOT NULL;

-- The hot table: small, mutable, only what is not finished. A running row has an owner and a lease; no other has.
CREATE TABLE job_queue (
    id uuid PRIMARY KEY REFERENCES job (id),
    workspace_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('available', 'running', 'scheduled', 'held', 'suspended')),
    scheduled_for timestamptz NOT NULL,
    priority smallint NOT NULL,
    rank double precision NOT NULL,
    tag text NOT NULL,
    only_worker text,
    concurrency_key text,
    worker text,
    lease integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    started_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    deaths integer NOT NULL DEFAULT 0,
    suspend integer NOT NULL DEFAULT 0,
    suspend_until timestamptz,
    canceled_by text,
    canceled_reason text,
    CHECK ((state = 'running') = (worker IS NOT NULL AND lease_until IS NOT NULL AND started_at IS NOT NULL)),
    CHECK (state <> 'held' OR concurrency_key IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
-- The claimable set, in the order of a claim.
CREATE INDEX job_queue_available ON job_queue (tag, priority DESC, rank, scheduled_for, id) WHERE state = 'available';
-- lease_until is left out on purpose: a beat then touches no index.
CREATE INDEX job_queue_running ON job_queue (id) WHERE state = 'running';
CREATE INDEX job_queue_scheduled ON job_queue (scheduled_for) WHERE state = 'scheduled';
CREATE INDEX job_queue_held ON job_queue (concurrency_key, priority DESC, rank, scheduled_for) WHERE state = 'held';

CREATE TABLE job_completed (
    id uuid PRIMARY KEY REFERENCES job (id),
    workspace_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('success', 'failure', 'canceled', 'skipped')),
    result json,
    result_blob boolean NOT NULL DEFAULT false,
    end_reason text,
    started_at timestamptz,
    completed_at timestamptz NOT NULL DEFAULT clock(),
    duration_ms bigint NOT NULL CHECK (duration_ms >= 0),
    attempts integer NOT NULL,
    lease integer NOT NULL,
    worker text,
    memory_peak bigint NOT NULL DEFAULT 0,
    canceled_by text,
    canceled_reason text,
    cached boolean NOT NULL DEFAULT false,
    delete_at timestamptz,
    deleted boolean NOT NULL DEFAULT false,
    labels text[] NOT NULL DEFAULT '{}',
    CHECK ((status = 'canceled') = (canceled_by IS NOT NULL))
);
CREATE INDEX job_completed_age ON job_completed (completed_at);
CREATE INDEX job_completed_delete ON job_completed (delete_at) WHERE delete_at IS NOT NULL AND NOT deleted;

-- `position` counts the characters of the log before this chunk, over all attempts: a reader's cursor.
CREATE TABLE job_log (
    job_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position >= 0),
    content text NOT NULL,
    PRIMARY KEY (job_id, position)
);

-- What a job streams of its result, beside its log and like it.
CREATE TABLE job_stream (
    job_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position >= 0),
    content text NOT NULL,
    PRIMARY KEY (job_id, position)
);

-- What a job says of itself; that a success is 100 percent is known without it.
CREATE TABLE job_progress (
    job_id uuid PRIMARY KEY,
    percent smallint NOT NULL CHECK (percent BETWEEN 0 AND 99)
);

-- A result over 256 kB: UTF-8 text in rows of 1 MB.
CREATE TABLE blob (
    id uuid NOT NULL,
    seq integer NOT NULL CHECK (seq >= 0),
    bytes bytea NOT NULL CHECK (length(bytes) <= 1048576),
    PRIMARY KEY (id, seq)
);
ALTER TABLE blob ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- A key of a concurrency limit; its row is the lock that whoever counts slots takes first.
CREATE TABLE concurrency_key (
    key text PRIMARY KEY,
    slots integer NOT NULL CHECK (slots > 0),
    window_s integer NOT NULL CHECK (window_s >= 0)
);
-- One row a slot taken: by a job that is available or running (until IS NULL), or by one that ended inside its window.
CREATE TABLE concurrency_slot (
    job_id uuid PRIMARY KEY,
    key text NOT NULL REFERENCES concurrency_key (key),
    until timestamptz
);
CREATE INDEX concurrency_slot_key ON concurrency_slot (key);
CREATE INDEX concurrency_slot_until ON concurrency_slot (until) WHERE until IS NOT NULL;

CREATE TABLE result_cache (
    workspace_id text NOT NULL,
    key bytea NOT NULL,
    job_id uuid NOT NULL,
    result json,
    labels text[] NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, key)
);
CREATE INDEX result_cache_expires ON result_cache (expires_at);

-- One row an Idempotency-Key: the job that the first request with it made.
CREATE TABLE idempotency (
    workspace_id text NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    job_id uuid NOT NULL,
    request_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (workspace_id, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE worker (
    name text PRIMARY KEY,
    worker_group text NOT NULL DEFAULT 'default',
    instance text NOT NULL,
    pid integer NOT NULL,
    ip text NOT NULL,
    version text NOT NULL,
    isolation text NOT NULL,
    how text NOT NULL DEFAULT '',
    networks text[] NOT NULL DEFAULT '{host,none}',
    no_filter text NOT NULL DEFAULT '',
    limits_by text NOT NULL DEFAULT '',
    refuses text NOT NULL DEFAULT '',
    database text NOT NULL DEFAULT '',
    tags text[] NOT NULL,
    slots integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock(),
    ping_at timestamptz NOT NULL DEFAULT clock(),
    alive_until timestamptz NOT NULL,
    jobs_executed bigint NOT NULL DEFAULT 0,
    memory bigint NOT NULL DEFAULT 0,
    draining boolean NOT NULL DEFAULT false,
    stopped_at timestamptz
);
