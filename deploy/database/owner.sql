-- The login that owns the database and runs `botkeys migrate`, and the database. Run once by a
-- superuser, with the file of the login's password in OWNER_PASSWORD_FILE:
--
--   OWNER_PASSWORD_FILE=… psql -v ON_ERROR_STOP=1 -f owner.sql postgres
\set password `cat "$OWNER_PASSWORD_FILE"`
SELECT set_config('botkeys.empty', (:'password' = '')::text, false) \g /dev/null
DO $$ BEGIN
    IF current_setting('botkeys.empty')::boolean THEN
        RAISE EXCEPTION 'There is no password in OWNER_PASSWORD_FILE, or this user may not read it.';
    END IF;
END $$;
CREATE ROLE botkeys_owner LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE botkeys OWNER botkeys_owner;
REVOKE ALL ON DATABASE botkeys FROM PUBLIC;
