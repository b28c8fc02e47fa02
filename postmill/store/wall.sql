-- The second wall: what postmill_api may do, and which rows it sees. Not a migration but a state: run as the owner, as a
-- whole, after the migrations, whenever this file has changed or the role has come to be (store/migrate.py).

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM postmill_api;

GRANT USAGE ON SCHEMA public TO postmill_api;
GRANT EXECUTE ON FUNCTION clock(), actor_workspace() TO postmill_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON token TO postmill_api;
GRANT SELECT, INSERT, UPDATE ON workspace TO postmill_api;
-- Login is the system's: this role can write a password's hash, and never read one.
GRANT INSERT ON account TO postmill_api;
GRANT SELECT (email, login_type, super_admin, verified, name, company, disabled, created_at) ON account
    TO postmill_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON member, script, draft TO postmill_api;
GRANT SELECT ON workspace_dependencies TO postmill_api;
-- Jobs are read here and written by postmill_system alone: no handler can take a lease or end a job.
GRANT SELECT ON job, job_queue, job_completed, job_log, job_stream, job_progress, blob, worker, concurrency_key, concurrency_slot
    TO postmill_api;
-- Rows of another workspace are neither seen nor written. `member` is also read across workspaces (whoami, the
-- list of one's workspaces), always by e-mail.
DO $$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['script', 'draft', 'workspace_dependencies', 'job', 'job_queue', 'job_completed', 'job_log', 'job_stream',
                                'job_progress', 'blob']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('DROP POLICY IF EXISTS own_workspace ON %I', walled);
    END LOOP;
    FOREACH walled IN ARRAY ARRAY['script', 'draft', 'workspace_dependencies', 'job', 'job_queue', 'job_completed']
    LOOP
        EXECUTE format('CREATE POLICY own_workspace ON %I TO postmill_api USING (workspace_id = (SELECT actor_workspace()))',
                       walled);
    END LOOP;
END
$$;
CREATE POLICY own_workspace ON job_log TO postmill_api
    USING (EXISTS (SELECT FROM job WHERE job.id = job_log.job_id));
CREATE POLICY own_workspace ON job_stream TO postmill_api
    USING (EXISTS (SELECT FROM job WHERE job.id = job_stream.job_id));
CREATE POLICY own_workspace ON job_progress TO postmill_api
    USING (EXISTS (SELECT FROM job WHERE job.id = job_progress.job_id));
CREATE POLICY own_workspace ON blob TO postmill_api
    USING (EXISTS (SELECT FROM job WHERE job.id = blob.id));
