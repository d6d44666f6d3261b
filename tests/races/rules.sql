-- The rules of docs/rules.md, checked at every commit of a test's own database.
--
-- A deferred trigger on each table of the rules runs when its transaction commits. It first takes
-- one lock for all commits, which is held until the commit is done. Commits are thereby serialized,
-- and the statements after the lock see everything committed before, and their own changes. This
-- is the order that the rules are about, independent of any clock; until then the transactions run
-- concurrently as usual. A broken rule is recorded and committed along with the transaction:
-- nothing is refused here, because refusing is the service's task.

CREATE TABLE broken_rules (
    rule text NOT NULL,
    commit_order bigint NOT NULL,
    before jsonb,
    after jsonb
);
CREATE TABLE journal (
    commit_order bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    relation text NOT NULL,
    operation text NOT NULL,
    before jsonb,
    after jsonb
);
CREATE VIEW held AS
    SELECT * FROM positions
    WHERE status = 'open' OR status = 'opening' AND expires_at > clock_timestamp();

CREATE VIEW resting AS
    SELECT account_id, bot_id, key_id, symbol FROM resting_orders, unnest(symbols) AS symbol
    WHERE expires_at > clock_timestamp();

-- Returns why the bot may not open a position now, in no order; empty if it may.
CREATE FUNCTION blocked_by(wanted positions) RETURNS text[] LANGUAGE sql VOLATILE AS $$
    SELECT array_remove(ARRAY[
        CASE WHEN bots.id IS NULL THEN 'no_bot' END,
        CASE WHEN EXISTS (
            SELECT FROM freezes WHERE account_id = wanted.account_id
                AND (scope = 'account' OR exchange = keys.exchange OR key_id = keys.id)
        ) THEN 'frozen' END,
        CASE WHEN bots.paused THEN 'bot_paused' END,
        CASE WHEN bots.key_id IS DISTINCT FROM wanted.key_id THEN 'not_the_key_of_the_bot' END,
        CASE WHEN NOT keys.active THEN 'key_inactive' END,
        CASE WHEN keys.permission_trade = 'no' THEN 'key_cannot_trade' END,
        CASE WHEN keys.permission_withdraw = 'yes' THEN 'withdrawal_permission' END,
        CASE WHEN keys.unverified THEN 'unverified' END,
        CASE WHEN keys.verification_status = 'rejected' THEN 'credentials_rejected' END,
        CASE WHEN keys.contract_type <> wanted.contract_type THEN 'other_contract_type' END,
        CASE WHEN assets.symbol IS NULL THEN 'unknown_asset' END,
        CASE WHEN NOT assets.enabled THEN 'asset_disabled' END,
        CASE WHEN NOT listing.listed THEN 'asset_delisted' END,
        CASE WHEN assets.leverage > listing.max_leverage THEN 'leverage_above_max' END
    ], NULL)
    FROM (VALUES (1)) AS one
    LEFT JOIN bots ON bots.account_id = wanted.account_id AND bots.id = wanted.bot_id
    LEFT JOIN keys ON keys.account_id = bots.account_id AND keys.id = bots.key_id
    LEFT JOIN trading_assets AS assets
        ON assets.account_id = keys.account_id AND assets.key_id = keys.id
        AND assets.contract_type = keys.contract_type AND assets.symbol = wanted.symbol
    LEFT JOIN instruments AS listing
        ON listing.exchange = keys.exchange AND listing.environment = keys.environment
        AND listing.region = coalesce(keys.region, '')
        AND listing.contract_type = keys.contract_type AND listing.symbol = wanted.symbol
$$;

CREATE FUNCTION of_bots(before bots, after bots) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF before.id IS NOT NULL
        AND (after.id IS NULL OR after.key_id IS DISTINCT FROM before.key_id)
        AND EXISTS (
            SELECT FROM held WHERE account_id = before.account_id AND bot_id = before.id
            AND (after.id IS NULL OR held.key_id IS DISTINCT FROM after.key_id))
    THEN
        RETURN NEXT CASE WHEN after.id IS NULL THEN 'a bot deleted'
            ELSE 'a bot''s key changed' END || ' while it had open positions';
    END IF;
    IF after.id IS NOT NULL AND after.key_id IS DISTINCT FROM before.key_id AND EXISTS (
        SELECT FROM resting WHERE account_id = after.account_id AND bot_id = after.id)
    THEN
        RETURN NEXT 'a bot''s key changed while its orders rested';
    END IF;
    IF after.key_id IS DISTINCT FROM before.key_id AND EXISTS (
        SELECT FROM keys WHERE account_id = after.account_id AND id = after.key_id AND NOT active)
    THEN
        RETURN NEXT 'a key assigned while it was inactive';
    END IF;
END $$;

CREATE FUNCTION of_keys(before keys, after keys) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF before.id IS NULL THEN
        RETURN;
    END IF;
    IF after.id IS NULL THEN
        IF EXISTS (
            SELECT FROM held WHERE account_id = before.account_id AND key_id = before.id
                AND status = 'opening')
        THEN
            RETURN NEXT 'a key deleted under a reservation';
        END IF;
        RETURN;
    END IF;
    IF (after.exchange, after.environment) IS DISTINCT FROM (before.exchange, before.environment)
    THEN
        RETURN NEXT 'a key moved to another exchange or environment';
    END IF;
    IF after.contract_type <> before.contract_type THEN
        IF EXISTS (SELECT FROM held
            WHERE account_id = after.account_id AND key_id = after.id AND locks_key) THEN
            RETURN NEXT 'a contract type switched while a position was open';
        END IF;
        IF EXISTS (SELECT FROM resting WHERE account_id = after.account_id AND key_id = after.id)
        THEN
            RETURN NEXT 'a contract type switched while orders rested';
        END IF;
        IF EXISTS (
            SELECT FROM bots JOIN presence
                ON presence.account_id = bots.account_id AND presence.bot_id = bots.id
            WHERE bots.account_id = after.account_id AND bots.key_id = after.id
                AND presence.lease_until > clock_timestamp())
        THEN
            RETURN NEXT 'a contract type switched while the bot was online';
        END IF;
    END IF;
END $$;

CREATE FUNCTION of_trading_assets(before trading_assets, after trading_assets) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Assets are deleted with their key, which breaks no rule.
    IF after.symbol IS NULL AND NOT EXISTS (
        SELECT FROM keys WHERE account_id = before.account_id AND id = before.key_id)
    THEN
        RETURN;
    END IF;
    IF after.margin_mode IS DISTINCT FROM before.margin_mode AND before.symbol IS NOT NULL
        AND EXISTS (
            SELECT FROM held WHERE account_id = before.account_id AND key_id = before.key_id
                AND symbol = before.symbol AND contract_type = before.contract_type AND locks_key)
    THEN
        RETURN NEXT CASE WHEN after.symbol IS NULL THEN 'an asset removed'
            ELSE 'a margin mode changed' END || ' while a position was open';
    END IF;
    IF after.margin_mode IS DISTINCT FROM before.margin_mode AND before.symbol IS NOT NULL
        AND EXISTS (SELECT FROM resting WHERE account_id = before.account_id
            AND key_id = before.key_id AND symbol = before.symbol)
    THEN
        RETURN NEXT CASE WHEN after.symbol IS NULL THEN 'an asset removed'
            ELSE 'a margin mode changed' END || ' while orders rested on it';
    END IF;
    IF after.leverage IS DISTINCT FROM before.leverage AND EXISTS (
        SELECT FROM keys JOIN instruments AS listing
            ON listing.exchange = keys.exchange AND listing.environment = keys.environment
            AND listing.region = coalesce(keys.region, '')
            AND listing.contract_type = after.contract_type AND listing.symbol = after.symbol
        WHERE keys.account_id = after.account_id AND keys.id = after.key_id
            AND after.leverage > listing.max_leverage)
    THEN
        RETURN NEXT 'a leverage above the maximum saved';
    END IF;
END $$;

CREATE FUNCTION of_positions(before positions, after positions) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    reasons text[];
    unasked text[];
    reserved boolean;
BEGIN
    IF after.id IS NULL THEN
        RETURN NEXT 'a position deleted';
        RETURN;
    END IF;
    reasons := blocked_by(after);
    unasked := array_remove(reasons, 'other_contract_type');
    reserved := before.id IS NOT NULL AND before.status = 'opening'
        AND before.expires_at > after.updated_at;
    IF after.status = 'opening' AND reasons <> '{}'
        AND (before.expires_at IS NULL OR after.expires_at > before.expires_at)
    THEN
        RETURN NEXT 'an opening allowed in spite of ' || array_to_string(reasons, ', ');
    END IF;
    IF after.status <> 'closed' AND 'no_bot' = ANY (reasons) THEN
        RETURN NEXT 'a position held by a bot that is gone';
    END IF;
    IF after.status = 'open' AND before.status IS DISTINCT FROM 'open' AND NOT reserved
        AND unasked <> '{}' AND NOT EXISTS (
            SELECT FROM bot_events WHERE account_id = after.account_id AND bot_id = after.bot_id
                AND xmin::text::bigint = pg_current_xact_id()::text::bigint % 4294967296
                AND data ->> 'position_id' = after.id)
    THEN
        RETURN NEXT 'a position opened without permission and without an event';
    END IF;
    IF NOT EXISTS (
        SELECT FROM assignments WHERE account_id = after.account_id AND bot_id = after.bot_id
            AND key_id = after.key_id) AND NOT 'no_bot' = ANY (reasons)
    THEN
        RETURN NEXT 'a position on a key that the bot never had';
    END IF;
    IF before.id IS NULL THEN
        RETURN;
    END IF;
    IF (after.key_id, after.symbol, after.side, after.exchange, after.environment,
            after.contract_type, after.created_at)
        <> (before.key_id, before.symbol, before.side, before.exchange, before.environment,
            before.contract_type, before.created_at)
    THEN
        RETURN NEXT 'a position became another';
    END IF;
    IF before.status = 'open' AND after.status = 'opening'
        OR before.close_reason = 'reported' AND after.close_reason IS DISTINCT FROM 'reported'
        OR before.close_reason = 'by_hand' AND after.status = 'opening'
    THEN
        RETURN NEXT 'a position went backwards';
    END IF;
    IF after.revision < before.revision OR after.revision IS NULL AND before.revision IS NOT NULL
    THEN
        RETURN NEXT 'a revision fell';
    END IF;
END $$;

CREATE FUNCTION of_resting_orders(before resting_orders, after resting_orders) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF after.symbols <> '{}' AND NOT EXISTS (
        SELECT FROM bots WHERE account_id = after.account_id AND id = after.bot_id
            AND key_id = after.key_id)
    THEN
        RETURN NEXT 'orders counted for a key that the bot does not have';
    END IF;
END $$;

CREATE FUNCTION in_turn() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    turn bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(4);
    INSERT INTO journal (relation, operation, before, after)
        VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW)) RETURNING commit_order INTO turn;
    IF TG_TABLE_NAME = 'presence' THEN
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        EXECUTE format('INSERT INTO broken_rules SELECT rule, $2, NULL, to_jsonb($1)'
            ' FROM of_%I(NULL, $1) AS rule', TG_TABLE_NAME) USING NEW, turn;
    ELSIF TG_OP = 'DELETE' THEN
        EXECUTE format('INSERT INTO broken_rules SELECT rule, $2, to_jsonb($1), NULL'
            ' FROM of_%I($1, NULL) AS rule', TG_TABLE_NAME) USING OLD, turn;
    ELSE
        EXECUTE format('INSERT INTO broken_rules SELECT rule, $3, to_jsonb($1), to_jsonb($2)'
            ' FROM of_%I($1, $2) AS rule', TG_TABLE_NAME) USING OLD, NEW, turn;
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER in_turn AFTER INSERT OR UPDATE OR DELETE ON bots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION in_turn();
CREATE CONSTRAINT TRIGGER in_turn AFTER INSERT OR UPDATE OR DELETE ON keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION in_turn();
CREATE CONSTRAINT TRIGGER in_turn AFTER INSERT OR UPDATE OR DELETE ON trading_assets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION in_turn();
CREATE CONSTRAINT TRIGGER in_turn AFTER INSERT OR UPDATE OR DELETE ON positions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION in_turn();
CREATE CONSTRAINT TRIGGER in_turn AFTER INSERT OR UPDATE ON resting_orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION in_turn();
CREATE CONSTRAINT TRIGGER in_turn AFTER INSERT OR UPDATE ON presence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION in_turn();
