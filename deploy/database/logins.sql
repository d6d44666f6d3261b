-- A login for each role of the service, run by botkeys_owner after `botkeys migrate`; run again, it sets the
-- passwords that the files have by then. PASSWORDS names the folder that prepare.sh made:
--
--   PASSWORDS=… psql -v ON_ERROR_STOP=1 -f logins.sql "$(cat …/owner/database-url)"
\set api `cat "$PASSWORDS/api/password"`
\set runtime `cat "$PASSWORDS/runtime/password"`
\set catalogue `cat "$PASSWORDS/catalogue/password"`
\set purge `cat "$PASSWORDS/purge/password"`
\set webhooks `cat "$PASSWORDS/webhooks/password"`
BEGIN;
SELECT set_config('botkeys.empty',
    ('' IN (:'api', :'runtime', :'catalogue', :'purge', :'webhooks'))::text, true) \g /dev/null
DO $$ BEGIN
    IF current_setting('botkeys.empty')::boolean THEN
        RAISE EXCEPTION 'A password in PASSWORDS is empty or missing, or this user may not read it.';
    END IF;
END $$;
SELECT format('CREATE ROLE %I LOGIN IN ROLE %I', login, role)
FROM (VALUES ('api_login', 'botkeys_api'), ('runtime_login', 'botkeys_runtime'),
    ('catalogue_login', 'botkeys_catalogue'), ('purge_login', 'botkeys_purge'),
    ('webhooks_login', 'botkeys_webhooks')) AS logins (login, role)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) \gexec
GRANT CONNECT ON DATABASE botkeys TO api_login, runtime_login, catalogue_login, purge_login, webhooks_login;
ALTER ROLE api_login PASSWORD :'api';
ALTER ROLE runtime_login PASSWORD :'runtime';
ALTER ROLE catalogue_login PASSWORD :'catalogue';
ALTER ROLE purge_login PASSWORD :'purge';
ALTER ROLE webhooks_login PASSWORD :'webhooks';
COMMIT;
