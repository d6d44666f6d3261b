"""The service as a background job, and beside a Kubernetes service of its own name."""

import shlex
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes.conftest import Run
from tests.processes.running import BOTKEYS, all_end, environment, eventually, free_port, log_lines

LINKS = {
    "BOTKEYS_SERVICE_HOST": "10.0.0.7",
    "BOTKEYS_PORT_8000_TCP": "tcp://10.0.0.7:8000",
    "BOTKEYS_API_PORT": "tcp://10.0.0.8:80",
}


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.torture
@pytest.mark.parametrize("command", ["make run", f"{shlex.quote(str(BOTKEYS))} dev --parent 1"])
def test_a_job_under_nohup_outlives_its_shell_and_a_hangup(
    run: Run, tmp_path: Path, command: str
) -> None:
    port, output = free_port(), tmp_path / "output"
    starting = f"nohup {command} <&- >{shlex.quote(str(output))} 2>&1 & echo $!"
    env = {**environment(data_dir=tmp_path / "data", port=port), **LINKS}
    shell = run("sh", "-c", starting, env=env)
    assert shell.wait() == 0
    job = psutil.Process(int(shell.stdout))
    try:
        assert eventually(lambda: is_ready(port)), output.read_text()
        family = [job, *job.children(recursive=True)]
        for process in family:
            if process.name() not in {"postgres", "initdb"}:
                process.send_signal(signal.SIGHUP)
        assert not eventually(lambda: not is_ready(port), 1)
        [reported] = [line for line in log_lines(output.read_text()) if "variables" in line]
        assert reported["variables"] == sorted(LINKS)
        services = [process for process in family if "dev" in process.cmdline()]
        services[-1].send_signal(signal.SIGTERM)
        assert all_end(family)
    finally:
        for process in [job, *(job.children(recursive=True) if job.is_running() else [])]:
            if process.is_running():
                process.kill()
