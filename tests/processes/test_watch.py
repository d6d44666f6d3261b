"""`botkeys operations watch` against a running service."""

from pathlib import Path
from uuid import uuid4

from tests.processes.conftest import Run
from tests.processes.running import BOTKEYS, Service, environment, free_port
from tests.processes.trading import sent


def test_an_operation_is_watched_to_its_end(service: Service, run: Run) -> None:
    with service.http(service.token("wanda")) as http:
        operation = sent(http.post("/v1/data-deletions", json={"scope": "all"}), 202)
    asked = ("operations", "watch", "--account", "wanda")

    watched = run(BOTKEYS, *asked, operation["id"], env=service.settings)
    assert watched.wait() == 0, watched.text
    assert "succeeded" in watched.stdout
    assert "0 equity snapshots" in watched.stdout

    unknown = run(BOTKEYS, *asked, str(uuid4()), env=service.settings)
    assert unknown.wait() == 1
    assert "404" in unknown.stderr
    assert unknown.is_clean, unknown.text


def test_ctrl_c_ends_the_wait_for_a_service_that_is_away(run: Run, tmp_path: Path) -> None:
    env = environment(port=free_port(), data_dir=tmp_path) | {"USER_TOKEN": "x"}
    watched = run(BOTKEYS, "operations", "watch", str(uuid4()), env=env)
    assert watched.says("Waiting for up to"), watched.text
    watched.ctrl_c()
    assert watched.wait() == 130
    assert watched.is_clean, watched.text
