"""What goes on after its route is done is gone on with once, and keeps nothing of the route's."""

from typing import Any

from app.outlasting import expect, go_on


async def receive() -> Any:
    raise AssertionError("nobody asks")


async def send(message: Any) -> None:
    raise AssertionError("nothing is sent")


def counting() -> tuple[list[Any], Any]:
    calls: list[Any] = []

    async def rest(*with_what: Any) -> None:
        calls.append(with_what)

    return calls, rest


async def test_it_is_done_at_once_where_nobody_expects_it() -> None:
    calls, rest = counting()

    await go_on({"type": "http"}, rest, receive, send)

    assert calls == [(receive, send)]


async def test_it_is_left_to_who_expects_it_without_the_routes_own() -> None:
    calls, rest = counting()
    scope: dict[str, Any] = {"type": "http", "state": {"request_id": "one", "unit": object()}}
    rests = expect(scope)

    await go_on(scope, rest, receive, send)

    assert calls == []
    assert rests == [rest]
    assert "unit" not in scope["state"]
    assert scope["state"]["request_id"] == "one"
