"""The demo's narrator: it checks every claim that it makes."""

import io

import httpx
import pytest

from examples.story import StepFailed, Story, member


def answer(status: int, body: object, content_type: str = "application/json") -> httpx.Response:
    return httpx.Response(
        status,
        json=body,
        headers={"content-type": content_type},
        request=httpx.Request("GET", "http://botkeys.test/v1/keys?limit=1"),
    )


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def story(output: io.StringIO) -> Story:
    return Story(output)


def test_a_claim_that_does_not_hold_fails_the_step(story: Story) -> None:
    with pytest.raises(StepFailed, match="this does not hold: the sky is green"):
        story.check(False, "the sky is green")
    assert story.checked == 0


def test_a_call_is_printed_with_method_path_status_and_the_members_asked_for(
    story: Story, output: io.StringIO
) -> None:
    story.call(answer(200, {"items": [{"id": 1}, {"id": 2}], "secret": "x"}), 200, "items[].id")

    assert output.getvalue() == "   GET /v1/keys?limit=1  →  200 OK\n      items[].id: [1, 2]\n"


def test_another_status_than_the_expected_one_fails_the_step_with_its_code(story: Story) -> None:
    refused = answer(403, {"code": "missing_scope"}, "application/problem+json")
    with pytest.raises(
        StepFailed, match=r"answered 403 Forbidden \(missing_scope\) instead of 200"
    ):
        story.call(refused, 200)


def test_a_step_that_broke_is_not_counted(story: Story) -> None:
    with pytest.raises(StepFailed), story.step("A title"):
        story.check(False, "it happens")
    assert story.steps_done == 0
    assert story.step_now == "1. A title"


def test_members_are_found_by_their_place() -> None:
    document = {"a": {"b": 1}, "items": [{"c": {"d": 2}}]}
    assert member(document, "a.b") == 1
    assert member(document, "items[].c.d") == [2]
    assert member(document, "items[]") == [{"c": {"d": 2}}]
