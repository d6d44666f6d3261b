"""A change of a contract is stored where the catalogue is on all nodes and accounts are on some.

The time is read once, after the lock; keys are found without a lock across accounts, and each event
is added for its account. The index finds the keys of a catalogue, however many others there are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

# The function as it changes: lines that begin with - go, lines that begin with + are new.
CHANGE_CONTRACT = """
 CREATE OR REPLACE FUNCTION change_contract(
     p_exchange text, p_environment text, p_region text, p_contract_type text, p_symbol text,
     p_size numeric, p_settle text
 ) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
 DECLARE
     former record;
-    events bigint;
+    found_key record;
+    changed timestamptz;
+    sentence text;
+    facts jsonb;
+    events bigint := 0;
 BEGIN
     SELECT instruments.contract_size, instruments.settle INTO former FROM public.instruments
     WHERE exchange = p_exchange AND environment = p_environment AND region = p_region
       AND contract_type = p_contract_type AND symbol = p_symbol
     FOR UPDATE;
     IF NOT FOUND OR (former.contract_size, former.settle) IS NOT DISTINCT FROM (p_size, p_settle)
     THEN
         RETURN 0;
     END IF;
+    changed := clock_timestamp();
     INSERT INTO public.former_contracts
         (exchange, environment, region, contract_type, symbol, changed_at, contract_size, settle)
-    VALUES (p_exchange, p_environment, p_region, p_contract_type, p_symbol, clock_timestamp(),
+    VALUES (p_exchange, p_environment, p_region, p_contract_type, p_symbol, changed,
         former.contract_size, former.settle)
     ON CONFLICT DO NOTHING;
     UPDATE public.instruments
-    SET contract_size = p_size, settle = p_settle, contract_changed_at = clock_timestamp()
+    SET contract_size = p_size, settle = p_settle, contract_changed_at = changed
     WHERE exchange = p_exchange AND environment = p_environment AND region = p_region
       AND contract_type = p_contract_type AND symbol = p_symbol;
-    INSERT INTO public.bot_events
-        (account_id, id, bot_id, key_id, exchange, environment, contract_type,
-         kind, level, message, data)
-    SELECT keys.account_id, gen_random_uuid(), bots.id, keys.id, keys.exchange, keys.environment,
-        keys.contract_type, 'contract_changed', 'warning',
-        format('The contract of %s changed at the exchange: its size was %s and is %s, settled in '
-            '%s. Check the quantities that the bot sends.', p_symbol,
-            trim_scale(former.contract_size), trim_scale(p_size), p_settle),
-        jsonb_build_object('symbol', p_symbol,
-            'contract_size', trim_scale(p_size)::text,
-            'former_contract_size', trim_scale(former.contract_size)::text,
-            'settle', p_settle, 'former_settle', former.settle)
-    FROM public.keys
-    JOIN public.trading_assets AS assets ON assets.account_id = keys.account_id
-        AND assets.key_id = keys.id AND assets.contract_type = keys.contract_type
-    LEFT JOIN public.bots ON bots.account_id = keys.account_id AND bots.key_id = keys.id
-    WHERE keys.exchange = p_exchange AND keys.environment = p_environment
-      AND coalesce(keys.region, '') = p_region AND keys.contract_type = p_contract_type
-      AND assets.symbol = p_symbol;
-    GET DIAGNOSTICS events = ROW_COUNT;
+    sentence := format('The contract of %s changed at the exchange: its size was %s and is %s, '
+        'settled in %s. Check the quantities that the bot sends.', p_symbol,
+        trim_scale(former.contract_size), trim_scale(p_size), p_settle);
+    facts := jsonb_build_object('symbol', p_symbol,
+        'contract_size', trim_scale(p_size)::text,
+        'former_contract_size', trim_scale(former.contract_size)::text,
+        'settle', p_settle, 'former_settle', former.settle);
+    FOR found_key IN
+        SELECT keys.account_id, keys.id, bots.id AS bot_id
+        FROM public.keys
+        JOIN public.trading_assets AS assets ON assets.account_id = keys.account_id
+            AND assets.key_id = keys.id AND assets.contract_type = keys.contract_type
+        LEFT JOIN public.bots ON bots.account_id = keys.account_id AND bots.key_id = keys.id
+        WHERE keys.exchange = p_exchange AND keys.environment = p_environment
+          AND coalesce(keys.region, '') = p_region AND keys.contract_type = p_contract_type
+          AND assets.symbol = p_symbol
+    LOOP
+        INSERT INTO public.bot_events
+            (account_id, id, bot_id, key_id, exchange, environment, contract_type,
+             kind, level, message, data)
+        VALUES (found_key.account_id, gen_random_uuid(), found_key.bot_id, found_key.id,
+            p_exchange, p_environment, p_contract_type, 'contract_changed', 'warning',
+            sentence, facts);
+        events := events + 1;
+    END LOOP;
     RETURN events;
 END $$
"""

CATALOGUE = ("exchange", "environment", "contract_type", sa.text("coalesce(region, '')"))


def _function(left_out: str) -> None:
    """Create the function without the lines that begin with `left_out`."""
    lines = CHANGE_CONTRACT.splitlines()
    op.execute("\n".join(line[1:] for line in lines if line[:1] != left_out))


def upgrade() -> None:
    op.create_index("ix_keys_catalogue", "keys", [*CATALOGUE])
    _function("-")


def downgrade() -> None:
    _function("+")
    op.drop_index("ix_keys_catalogue", table_name="keys")
