"""What all tables share: naming of constraints, column types, ids."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import uuid_utils
from sqlalchemy import BigInteger, DateTime, LargeBinary, MetaData, Row, Select, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

ACCOUNTLESS = frozenset(
    {
        "master_keys",
        "master_key_holders",
        "restorations",
        "catalogues",
        "instruments",
        "instrument_prices",
        "learned_leverages",
        "former_contracts",
    }
)
"""Tables that are not distributed by account; a test checks that there are no others."""

AccountId = Annotated[uuid.UUID, mapped_column(Uuid, primary_key=True, sort_order=-2)]
RowId = Annotated[uuid.UUID, mapped_column(Uuid, primary_key=True, sort_order=-1)]
Timestamp = Annotated[datetime, mapped_column(DateTime(timezone=True))]


def new_id() -> uuid.UUID:
    """Return a version 7 UUID: ids sort by creation time, which keeps indexes dense."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def first_id(at: datetime) -> uuid.UUID:
    """Return an id that is lower than all that are made from this moment on."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)


def new_id_text() -> str:
    """Return such an id as text, which takes a fifth of the time."""
    return str(uuid_utils.uuid7())


AnyRow = Row[*tuple[Any, ...]]
"""A row of selected columns, accessible by name."""

AnySelect = Select[*tuple[Any, ...]]


def one_of(column: str, values: Iterable[str]) -> str:
    """Return the condition of a CHECK that restricts a column to a closed set of words."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  # declarative configuration, read once
        bytes: LargeBinary,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
        int: BigInteger,
        str: Text,
        uuid.UUID: Uuid,
    }
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012  # as above
