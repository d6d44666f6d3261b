"""One line per request, but for a flood that is refused."""

import json
import logging

import pytest

from app.api.access_log import REFUSALS_PER_SECOND, log_request


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Provide the clock: what stands in it is the time."""
    now = [1000.0]
    monkeypatch.setattr("app.api.access_log.time.monotonic", lambda: now[0])
    return now


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [json.loads(record.getMessage()) for record in caplog.records]


def test_of_requests_above_a_limit_a_few_lines_a_second_are_logged_and_the_others_counted(
    caplog: pytest.LogCaptureFixture, seconds: list[float]
) -> None:
    caplog.set_level(logging.INFO, "botkeys.http")
    for _ in range(1000):
        log_request("GET", "/v1/keys", 429, 0.001, {})
    first = logged(caplog)
    caplog.clear()
    seconds[0] += 1
    log_request("GET", "/v1/keys", 429, 0.001, {})
    log_request("GET", "/v1/keys", 429, 0.001, {})

    assert len(first) == REFUSALS_PER_SECOND
    assert [line.get("left_out") for line in logged(caplog)] == [1000 - REFUSALS_PER_SECOND, None]


@pytest.mark.usefixtures("seconds")
def test_every_other_request_has_its_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "botkeys.http")
    for status in (200, 401, 503):
        for _ in range(100):
            log_request("GET", "/v1/keys", status, 0.001, {})

    assert len(logged(caplog)) == 300
