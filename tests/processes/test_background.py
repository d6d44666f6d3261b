"""The service as a background job, and beside a Kubernetes service of its own name."""

import os
import pty
import select
import shlex
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes.conftest import Run
from tests.processes.running import (
    BOTKEYS,
    ROOT,
    all_end,
    environment,
    eventually,
    free_port,
    log_lines,
)

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


def _leave(terminal: int) -> None:
    """Type Ctrl-C at the prompt, then end the shell, which warns once of the job that runs."""
    for typed in (b"\x03", b"exit\n", b"exit\n"):
        with suppress(OSError):  # a shell that did not warn is gone already
            os.write(terminal, typed)
        time.sleep(0.5)  # a shell has no other way to say that it read what was typed


@pytest.mark.torture
@pytest.mark.parametrize("command", ["make run &", "nohup make run >/dev/null 2>&1 &"])
def test_a_job_of_a_terminal_outlives_ctrl_c_and_the_terminal(tmp_path: Path, command: str) -> None:
    port = free_port()
    env = environment(data_dir=tmp_path / "data", port=port)
    terminal, shell_end = pty.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", "bash", "--norc", "-i"],  # noqa: S607  # a person's shell
        cwd=ROOT,
        env=env,
        stdin=shell_end,
        stdout=shell_end,
        stderr=shell_end,
    ) as shell:
        os.close(shell_end)
        gone = threading.Event()
        reader = threading.Thread(target=_read_until, args=(terminal, gone), daemon=True)
        reader.start()
        os.write(terminal, f"{command}\n".encode())
        jobs: list[psutil.Process] = []
        try:
            assert eventually(lambda: is_ready(port))
            jobs = psutil.Process(shell.pid).children(recursive=True)
            _leave(terminal)
            shell.wait(10)
            gone.set()
            reader.join()
            assert httpx.get(f"http://127.0.0.1:{port}/v1/keys").status_code == 401
            assert not eventually(lambda: not is_ready(port), 1)
            services = [process for process in jobs if "dev" in process.cmdline()]
            services[-1].send_signal(signal.SIGTERM)
            assert all_end(jobs)
        finally:
            for process in jobs:
                if process.is_running():
                    process.kill()
            shell.kill()
            gone.set()


def _read_until(terminal: int, gone: threading.Event) -> None:
    """Read what the shell and its jobs print, then take the terminal away."""
    with suppress(OSError):
        while not gone.is_set():
            if select.select([terminal], [], [], 0.1)[0]:
                os.read(terminal, 1 << 16)
    gone.wait()  # nothing has the terminal any more, and its number must not be taken yet
    os.close(terminal)
