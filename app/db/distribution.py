"""Tables over the nodes of a Citus cluster: each account on one node, the catalogue on every node.

Citus keeps a distributed table as many tables, its shards, and sends a statement to the node with
the shard of the account that it names. What belongs to no account is copied to all nodes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from graphlib import TopologicalSorter

from sqlalchemy import ARRAY, Connection, Text, bindparam, text

from app.db.base import ACCOUNTLESS
from app.db.nodes import IS_CITUS
from app.db.roles import ROLES

COLUMN = "account_id"
FIRST = "accounts"
"""The table beside which the others lie: the rows of an account are all on one node."""

ACCOUNT_PARAMETER = "p_account"
"""The parameter with which each function of the database that is about one account names it."""

LOCAL = frozenset({"alembic_version"})
"""Tables of the coordinator alone: no statement joins them with others."""


class Kind(StrEnum):
    """How a table lies on the nodes."""

    DISTRIBUTED = "distributed"
    REFERENCE = "reference"
    LOCAL = "local"


class NotDistributable(Exception):
    """The tables cannot be distributed. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is. `kind` is `None` if Citus' way of keeping it is none of ours."""

    name: str
    kind: Kind | None
    refers_to: tuple[str, ...]


_INSTALLED = text(f"SELECT {IS_CITUS}")
_NODES = text("SELECT count(*) FROM pg_dist_node WHERE isactive AND shouldhaveshards")
_ANY = text("SELECT EXISTS (SELECT FROM pg_dist_partition)")
_TABLES = text(
    """
    SELECT c.relname::text AS name,
        CASE
            WHEN p.partmethod IS NULL THEN 'local'
            WHEN p.partmethod = 'n' AND p.repmodel = 't' THEN 'reference'
            WHEN p.partmethod = 'h'
                AND column_to_column_name(p.logicalrelid, p.partkey) = :column THEN 'distributed'
        END AS kind,
        ARRAY (
            SELECT DISTINCT other.relname::text
            FROM pg_constraint AS k JOIN pg_class AS other ON other.oid = k.confrelid
            WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid
        ) AS refers_to
    FROM pg_class AS c LEFT JOIN pg_dist_partition AS p ON p.logicalrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT c.relispartition
    """
)
_FUNCTIONS = text(
    """
    SELECT p.oid::regprocedure::text, :account = ANY (coalesce(p.proargnames, '{}'))
    FROM pg_proc AS p
    WHERE p.pronamespace = 'public'::regnamespace AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    ) AND NOT EXISTS (
        SELECT FROM pg_dist_object AS o WHERE o.classid = 'pg_proc'::regclass AND o.objid = p.oid
        AND (
            o.distribution_argument_index IS NOT NULL
            OR :account <> ALL (coalesce(p.proargnames, '{}'))
        )
    )
    ORDER BY p.prokind = 'a', 1
    """
)
"""The functions that the other nodes do not know, those that aggregates are made of first, and
those of one account that would not run on its node.
"""

_WRITERS = text(
    """
    SELECT c.relname::text AS name, r.rolname::text AS role
    FROM pg_class AS c JOIN pg_dist_partition AS p ON p.logicalrelid = c.oid
    CROSS JOIN pg_roles AS r
    WHERE p.partmethod = 'n' AND p.repmodel = 't' AND r.rolname = ANY (:roles)
    AND has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')
    AND NOT has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE')
    ORDER BY 1, 2
    """
).bindparams(bindparam("roles", type_=ARRAY(Text())))
"""The reference tables to which roles write that may not change each row of them as a whole."""

_ON_WORKERS = text("SELECT success, result FROM run_command_on_workers(:command)")
_DISTRIBUTE = text("SELECT create_distributed_table(:name, :column, colocate_with => :beside)")
_COPY = text("SELECT create_reference_table(:name)")
_FORGET = text("SELECT truncate_local_data_after_distributing_table(CAST(:name AS regclass))")
_SPREAD = text("SELECT create_distributed_function(CAST(:name AS regprocedure))")
_SPREAD_BY_ACCOUNT = text(
    """
    SELECT create_distributed_function(
        CAST(:name AS regprocedure), :account, colocate_with => :beside, force_delegation => true
    )
    """
)
"""The function runs as a whole on the node of the account, over the connection of the caller.

Run on the coordinator, one with its owner's rights would ask over another connection, as the owner:
it would not see what the caller's transaction has changed, and Citus refuses that.
"""
_ONE_BY_ONE = text("SET citus.multi_shard_modify_mode = 'sequential'")


def kind_of(table: str) -> Kind:
    """Return how a table of ours is to lie on the nodes."""
    if table in LOCAL:
        return Kind.LOCAL
    return Kind.REFERENCE if table in ACCOUNTLESS else Kind.DISTRIBUTED


def is_installed(connection: Connection) -> bool:
    """Return whether the database is one of a Citus cluster."""
    return bool(connection.scalar(_INSTALLED))


def is_distributed(connection: Connection) -> bool:
    """Return whether some of the tables are distributed."""
    return is_installed(connection) and bool(connection.scalar(_ANY))


def go_one_by_one(connection: Connection) -> None:
    """Let further statements on whole tables use one connection to each node, not one a shard.

    Citus changes roles and functions over no other, and no more once there were several.
    """
    connection.execute(_ONE_BY_ONE)


def distribute_new(connection: Connection) -> list[str]:
    """Distribute the tables that are not, and return their names. Rows in them are kept.

    All in the connection's transaction: nobody sees some tables distributed and others not. Raises
    `NotDistributable`.
    """
    if not is_installed(connection):
        raise NotDistributable(
            "This database is not one of a Citus cluster. On every node, install Citus, add it to "
            "shared_preload_libraries and run CREATE EXTENSION citus in this database; then name "
            "the nodes to the coordinator with citus_set_coordinator_host and citus_add_node, and "
            "run this again. docs/citus.md has the commands."
        )
    if not connection.scalar(_NODES):
        raise NotDistributable(
            "No node of the Citus cluster may hold rows: add one with citus_add_node, or let the "
            "coordinator hold them (citus_set_node_property, shouldhaveshards), and run this again."
        )
    found = _read(connection)
    wrong = sorted(
        table.name for table in found if table.kind not in (Kind.LOCAL, kind_of(table.name))
    )
    if wrong:
        raise NotDistributable(
            f"Citus keeps {', '.join(wrong)} in another way than this release would: distributed "
            f"by another column than {COLUMN}, or of another kind. Undo that with "
            "undistribute_table, and run this again."
        )
    missing = [table for table in found if table.kind is not kind_of(table.name)]
    go_one_by_one(connection)
    for table in in_order(missing):
        place(connection, table)
    for name in (table.name for table in missing):
        connection.execute(_FORGET, {"name": name})
    of_account = {"account": ACCOUNT_PARAMETER}
    for name, is_of_account in connection.execute(_FUNCTIONS, of_account).all():
        if is_of_account:
            connection.execute(_SPREAD_BY_ACCOUNT, {"name": name, "beside": FIRST, **of_account})
        else:
            connection.execute(_SPREAD, {"name": name})
    return [table.name for table in missing]


def place(connection: Connection, table: str) -> None:
    """Lay a table of ours on the nodes; those that it refers to lie there already."""
    match kind_of(table):
        case Kind.REFERENCE:
            connection.execute(_COPY, {"name": table})
        case Kind.DISTRIBUTED:
            beside = "none" if table == FIRST else FIRST
            values = {"name": table, "column": COLUMN, "beside": beside}
            connection.execute(_DISTRIBUTE, values)
        case Kind.LOCAL:
            pass


def let_writers_lock(connection: Connection) -> None:
    """Let each role that writes to a reference table take Citus' lock on it, on every worker.

    Citus has writes to such a table wait for each other on one worker, and asks there for the right
    to change the whole table. So that is given on the workers, for the name of the table alone: the
    copies that hold the rows keep their rights, and so does the coordinator. To be called in a
    transaction of its own, once the tables are committed. Raises `NotDistributable`.
    """
    given = [
        f"GRANT UPDATE ON public.{row.name} TO {row.role};"
        for row in connection.execute(_WRITERS, {"roles": list(ROLES)})
    ]
    if not given:
        return
    commands = " ".join(("SET LOCAL citus.enable_ddl_propagation = off;", *given))
    done = connection.execute(_ON_WORKERS, {"command": f"DO $$ BEGIN {commands} END $$"}).all()
    failed = [row.result for row in done if not row.success]
    if failed:
        raise NotDistributable(
            f"A worker did not take the rights of the roles ({failed[0]}). Run "
            "`botkeys migrate --distribute` again once it does."
        )


def in_order(tables: Iterable[Table]) -> list[str]:
    """Return the names: first the table beside which the others lie, each after those that it
    refers to.
    """
    known = {table.name: table.refers_to for table in tables}
    graph = {
        name: {other for other in (*refers_to, FIRST) if other in known and other != name}
        for name, refers_to in sorted(known.items())
    }
    return list(TopologicalSorter(graph).static_order())


def _read(connection: Connection) -> list[Table]:
    rows = connection.execute(_TABLES, {"column": COLUMN}).all()
    return [
        Table(row.name, None if row.kind is None else Kind(row.kind), tuple(row.refers_to))
        for row in rows
    ]
