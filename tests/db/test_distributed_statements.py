"""Every statement of the service runs on tables that are distributed by account.

The tests of the whole suite hold the statements that they make the service send to these rules (the
fixture `every_statement_may_be_distributed`). Here are those that modules and the database hold.
"""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pglast import parse_plpgsql
from pglast.parser import ParseError
from sqlalchemy import text

from app.db.engine import Database
from tests.support.sent_statements import every_held, every_sender
from tests.support.statement_lists import NOT_SENT_HERE, READINGS, unlisted
from tests.support.statement_rules import Fault, Rule, faults_of
from tests.support.statement_watch import StatementWatch

BAD = {
    Rule.READING: (
        "SELECT id FROM keys WHERE id = $1",
        "SELECT id FROM keys WHERE account_id = $1 OR id = $2",
        "SELECT id FROM keys WHERE account_id = ANY($1)",
        "SELECT keys.id FROM keys JOIN bots ON bots.key_id = keys.id WHERE bots.account_id = $1",
        "SELECT FROM keys WHERE account_id = $1 AND EXISTS (SELECT FROM bots WHERE id = bot_id)",
        "WITH every AS (SELECT * FROM bots) SELECT FROM keys, every WHERE keys.account_id = $1",
        "SELECT id FROM keys WHERE account_id = $1 UNION SELECT id FROM bots",
    ),
    Rule.ACCOUNT: (
        "INSERT INTO presence (account_id, bot_id) SELECT account_id, id FROM bots",
        "UPDATE keys SET label = $1 FROM bots WHERE bots.account_id = $2 AND bots.key_id = keys.id",
        "DELETE FROM keys WHERE (account_id, id) IN (SELECT account_id, key_id FROM bots)",
    ),
    Rule.VOLATILE: (
        "UPDATE keys SET updated_at = clock_timestamp() WHERE account_id = $1 AND id = $2",
        "UPDATE keys SET active = false WHERE account_id = $1 AND expires_at < clock_timestamp()",
        "DELETE FROM keys WHERE account_id = $1 AND expires_at < clock_timestamp()",
        "WITH clock AS (SELECT clock_timestamp() AS at) DELETE FROM keys WHERE account_id = $1",
        "INSERT INTO catalogues (exchange, attempted_at) VALUES ($1, clock_timestamp())",
    ),
    Rule.MUTABLE: (
        "INSERT INTO accounts (account_id) VALUES ($1) ON CONFLICT DO UPDATE SET at = now()",
        "UPDATE keys SET label = $3 WHERE account_id = $1 AND id = $2 RETURNING now()",
        "UPDATE keys SET updated_at = coalesce($3, now()) WHERE account_id = $1 AND id = $2",
        "UPDATE keys SET expires_at = expires_at - interval '1 day' WHERE account_id = $1",
        "DELETE FROM keys WHERE account_id = $1 AND expires_at + make_interval(secs => $2) < now()",
        "UPDATE operations SET receipt = to_jsonb(receipt) WHERE account_id = $1",
    ),
    Rule.LOCK: (
        "SELECT id FROM keys WHERE expires_at < now() FOR UPDATE SKIP LOCKED",
        "WITH due AS (SELECT id FROM keys FOR SHARE) SELECT * FROM due",
    ),
    Rule.CORRELATED: (
        "SELECT FROM catalogues AS c WHERE EXISTS (SELECT FROM keys WHERE region = c.region)",
    ),
    Rule.ELSEWHERE: (
        "SELECT pg_notify('changed', label) FROM keys WHERE account_id = $1 AND id = $2",
        "SELECT pg_advisory_xact_lock(1) FROM keys WHERE account_id = $1 AND id = $2",
    ),
    Rule.NESTED: ("INSERT INTO presence VALUES ($1, (SELECT id FROM bots WHERE account_id = $1))",),
}
GOOD = (
    "SELECT label FROM keys WHERE account_id = $1 AND id = $2 FOR UPDATE",
    "SELECT keys.id FROM keys JOIN bots USING (account_id) WHERE bots.account_id = $1",
    (
        "WITH mine AS (SELECT account_id AS whose FROM bots WHERE account_id = $1)"
        " UPDATE keys SET active = false FROM mine WHERE account_id = whose"
    ),
    "INSERT INTO presence SELECT account_id, id FROM bots WHERE account_id = $1",
    "DELETE FROM keys WHERE (account_id, id) IN (SELECT * FROM bots WHERE account_id = $1)",
    "UPDATE keys SET updated_at = statement_timestamp() WHERE account_id = $1 AND id = $2",
    "SELECT clock_timestamp() FROM (SELECT FROM keys WHERE account_id = $1 FOR UPDATE) AS locked",
    "SELECT exchange FROM catalogues WHERE attempted_at < clock_timestamp()",
    "SELECT pg_notify('changed', $1)",
)


@pytest.mark.parametrize(
    ("rule", "statement"), [(rule, each) for rule, several in BAD.items() for each in several]
)
def test_a_statement_that_breaks_a_rule_is_noticed(
    server: object, statement_watch: StatementWatch, rule: Rule, statement: str
) -> None:
    assert statement_watch.volatility is not None
    faults = faults_of(statement, statement_watch.volatility)
    assert rule in {fault.rule for fault in faults}
    assert {fault.rule for fault in faults} <= {rule, Rule.ACCOUNT, Rule.READING}


@pytest.mark.parametrize("statement", GOOD)
def test_a_statement_that_keeps_the_rules_is_left_alone(
    server: object, statement_watch: StatementWatch, statement: str
) -> None:
    assert statement_watch.volatility is not None
    assert faults_of(statement, statement_watch.volatility) == set()


def test_two_parameters_are_one_account_if_they_are_the_same(
    server: object, statement_watch: StatementWatch
) -> None:
    assert statement_watch.volatility is not None
    statement = "SELECT FROM keys, bots WHERE keys.account_id = $1 AND bots.account_id = $2"
    assert faults_of(statement, statement_watch.volatility, ["one", "one"]) == set()
    faults = faults_of(statement, statement_watch.volatility, ["one", "another"])
    assert faults == {Fault(Rule.READING, "bots, keys")}


def test_every_statement_that_a_module_holds_keeps_the_rules(
    server: object, statement_watch: StatementWatch
) -> None:
    assert statement_watch.volatility is not None
    held: dict[str, set[Fault]] = {}
    for name, statement in every_held():
        faults = faults_of(statement, statement_watch.volatility)
        held.setdefault(name, set()).update(faults)
    assert len(held) > 100
    assert unlisted(held) == []


async def test_every_function_of_the_database_keeps_the_rules(
    shared_database: Database, statement_watch: StatementWatch
) -> None:
    assert statement_watch.volatility is not None
    async with shared_database.sessions() as session:
        found = await session.execute(text(_FUNCTIONS))
        functions = found.all()
    faults: dict[str, set[Fault]] = {}
    for name, definition in functions:
        for statement in _statements_of(definition):
            found_here = faults_of(statement, statement_watch.volatility)
            faults.setdefault(name, set()).update(found_here)
        # Its parameters would not be known when its statements are planned.
        if "LANGUAGE sql" in definition and re.search(r"\bp_account\b", definition):
            faults.setdefault(name, set()).add(Fault(Rule.ACCOUNT, "a function in SQL"))
    assert unlisted(faults) == []
    assert {name for name, definition in functions if "EXECUTE" in definition} == DYNAMIC


DYNAMIC = {"make_audit_months", "purge_rows", "same_as_stored"}
"""Functions that make a part of their statements themselves."""

_FUNCTIONS = """
    SELECT proname::text, pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
"""


def _statements_of(definition: str) -> Iterator[str]:
    if "LANGUAGE plpgsql" not in definition:
        yield definition.split("$function$")[1]
        return
    for query in _queries(parse_plpgsql(definition)):
        _, assigned, value = query.partition(":=")
        for statement in (query, f"SELECT {query}", f"SELECT {value}" if assigned else ""):
            try:
                faults_of(statement, {})
            except ParseError:
                continue
            yield statement
            break
        else:
            raise AssertionError(query)


def _queries(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "PLpgSQL_expr":
                yield value["query"]
            else:
                yield from _queries(value)
    elif isinstance(part, list):
        for each in part:
            yield from _queries(each)


def test_every_place_that_is_listed_exists() -> None:
    for place in (each for each in READINGS if ":" in each):
        module, _, path = place.partition(":")
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    assert every_sender() >= NOT_SENT_HERE
