"""Whether the login of a process has the rights of its role, and no others that matter.

Rights are lost by a restore without `botkeys grants`, and a login is mistaken for another one's in
a deployment's settings. One statement asks the server's catalogue about every right that
`app.db.granted` states for the role.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.granted import GRANTS
from app.db.roles import ROLES

KNOWN_SECONDS = 30.0
"""How long rights that are in order are taken for granted. Rights that are not are asked again."""

_FORMER_WORKER = "botkeys_worker"
"""The role of workers of earlier versions, a member of other roles itself."""

log = structlog.get_logger("botkeys.health")

_GRANT = re.compile(r"GRANT (?P<rights>.+) ON (?P<kind>[A-Z]+) (?P<name>.+) TO (?P<role>\w+)")
_RIGHT = re.compile(r"(?P<right>[A-Z]+)(?: \((?P<columns>[^)]*)\))?(?:, |$)")

_LOOK = text(
    """
    SELECT
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS (
            SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace
            AND relname = 'alembic_version' AND pg_has_role(relowner, 'USAGE')
        ) AS owns,
        ARRAY (
            SELECT rolname::text FROM pg_roles WHERE rolname = ANY (:roles)
            AND pg_has_role(oid, 'USAGE') ORDER BY rolname
        ) AS has,
        ARRAY (
            SELECT a."right" || coalesce(' (' || a."column" || ')', '')
                || ' ON ' || a.kind || ' ' || a.name
            FROM unnest(:kinds, :names, :columns, :rights) WITH ORDINALITY
                AS a (kind, name, "column", "right", number)
            LEFT JOIN pg_class AS c ON a.kind IN ('TABLE', 'SEQUENCE')
                AND c.relnamespace = 'public'::regnamespace AND c.relname = a.name
            LEFT JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attname = a."column"
            LEFT JOIN pg_proc AS p ON a.kind = 'FUNCTION'
                AND p.pronamespace = 'public'::regnamespace
                AND p.proname || '(' || replace(oidvectortypes(p.proargtypes), ', ', ',') || ')'
                    = a.name
            WHERE CASE
                WHEN a.kind = 'SCHEMA' THEN has_schema_privilege(a.name, a."right")
                WHEN a.kind = 'FUNCTION' THEN has_function_privilege(p.oid, a."right")
                WHEN a.kind = 'SEQUENCE' THEN has_sequence_privilege(c.oid, a."right")
                WHEN a."column" IS NULL THEN has_table_privilege(c.oid, a."right")
                ELSE has_column_privilege(c.oid, k.attnum, a."right")
            END IS FALSE
            ORDER BY a.number
        ) AS missing
    """
).bindparams(
    *(
        bindparam(name, type_=ARRAY(Text()))
        for name in ("roles", "kinds", "names", "columns", "rights")
    )
)
"""What a later release has removed is not missing: its functions and privileges are null."""


class Right(NamedTuple):
    """One right: on a table or one of its columns, a sequence, a function or the schema."""

    kind: str
    name: str
    column: str | None
    right: str


class Verdict(NamedTuple):
    """What is wrong with a login. `fault`: it cannot do its work; `remark`: it can do more.

    `another`: it has none of the roles that it needs, as the login of another process.
    """

    fault: str | None = None
    remark: str | None = None
    another: bool = False


def rights_of(roles: Iterable[str], grants: Iterable[str] = GRANTS) -> Iterator[Right]:
    """Yield every right that these roles have by these statements."""
    wanted = set(roles)
    for statement in grants:
        grant = _GRANT.fullmatch(statement)
        if grant is None or grant["role"] not in wanted:
            continue
        for right in _RIGHT.finditer(grant["rights"]):
            columns = right["columns"].split(", ") if right["columns"] else [None]
            for column in columns:
                yield Right(grant["kind"], grant["name"], column, right["right"])


@dataclass(slots=True)
class LoginRights:
    """The rights that the login of a process needs: those of `roles`.

    With `strict` it is remarked if the login can do more than them, which voids what the roles are
    for; in development one login does everything.
    """

    roles: tuple[str, ...]
    strict: bool = True
    _in_order_since: float | None = None
    _verdict: Verdict = field(default_factory=Verdict)

    async def look(self, connection: AsyncConnection) -> Verdict:
        """Return what is wrong, and log it if it was not before."""
        now, since = time.monotonic(), self._in_order_since
        if since is not None and now - since < KNOWN_SECONDS:
            return self._verdict
        rights = list(rights_of(self.roles))
        row = (
            await connection.execute(
                _LOOK,
                {
                    "roles": list(ROLES),
                    "kinds": [one.kind for one in rights],
                    "names": [one.name for one in rights],
                    "columns": [one.column for one in rights],
                    "rights": [one.right for one in rights],
                },
            )
        ).one()
        verdict = self._judged(owns=row.owns, has=row.has, missing=row.missing)
        if verdict not in {self._verdict, Verdict()}:
            log.warning("login_rights", fault=verdict.fault, remark=verdict.remark)
        self._verdict = verdict
        self._in_order_since = None if verdict.fault else now
        return verdict

    def _judged(self, *, owns: bool, has: list[str], missing: list[str]) -> Verdict:
        lacked = [role for role in self.roles if role not in has]
        others = " and ".join(role for role in has if role not in {*self.roles, _FORMER_WORKER})
        if missing and lacked:
            instead = f"; it has those of {others}" if others else ""
            fault = f"the login lacks the rights of {' and '.join(lacked)}{instead}"
            return Verdict(fault, another=len(lacked) == len(self.roles))
        if missing:
            return Verdict(
                fault=f"the login lacks {len(missing)} of its role's rights, such as {missing[0]}: "
                "run `botkeys migrate`, or `botkeys grants` after a restore"
            )
        if self.strict and owns:
            return Verdict(remark="the login owns the database, or is a superuser")
        if self.strict and others:
            return Verdict(remark=f"the login also has the rights of {others}")
        return Verdict()
