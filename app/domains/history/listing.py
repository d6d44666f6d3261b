"""The parameters and response formats that all lists of trading data share."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Response

from app.api.json_response import json_answer
from app.domains.history.content_negotiation import Form
from app.domains.history.cursors import PlaceCursors
from app.domains.history.export_formats import CsvLines, NdjsonLines
from app.domains.history.exports import Exporter
from app.domains.history.lists import DataList
from app.domains.history.repository import ListFilter
from app.domains.history.service import ListService
from app.domains.trading.period import Period
from botkeys.exchanges.model import Environment

_FILE = {"schema": {"type": "string"}}
IN_EVERY_FORM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One page as JSON, or the whole list as CSV or NDJSON, as `Accept` selects.",
        "content": {
            Form.CSV.value: {
                **_FILE,
                "example": "id,bot_id,bot_name,key_id,key_label,exchange,…\r\n",
            },
            Form.NDJSON.value: {**_FILE, "example": '{"id":"2026-11-22-0001",…}\n'},
        },
    },
}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of every list of trading data."""

    environment: Environment | None
    key_id: UUID | None
    bot_id: UUID | None
    period: Period
    cursor: str | None
    limit: int


class ListResponder:
    """Responds with a list in the format that the caller prefers."""

    def __init__(
        self, service: ListService, export: Exporter, query: ListQuery, form: Form
    ) -> None:
        self._service = service
        self._export = export
        self._query = query
        self._form = form

    async def answer(
        self, data_list: DataList, *, state: str | None = None, **exactly: str | None
    ) -> Response:
        """Return one page as JSON, or everything after the cursor, if any, as a file."""
        query = self._query
        data = await self._service.data_set(query.environment)
        words = tuple((name, word) for name, word in exactly.items() if word is not None)
        wanted = ListFilter(query.key_id, query.bot_id, *query.period, words, state)
        cursors = PlaceCursors(data_list.name, environment=data.environment, wanted=wanted)
        wanted = await self._service.understood(data, wanted)
        after = cursors.after(query.cursor)
        if self._form is Form.JSON:
            page = await self._service.page(data_list, data, wanted, after, query.limit)
            return json_answer(page.envelope(cursors), headers={"Vary": "Accept"})
        csv = self._form is Form.CSV
        return await self._export(
            self._service.pages(data_list, data, wanted, after),
            CsvLines(data_list.members) if csv else NdjsonLines(),
            media_type="text/csv; charset=utf-8; header=present" if csv else Form.NDJSON.value,
            filename=f"{data_list.name}-{data.environment}.{'csv' if csv else 'ndjson'}",
        )
