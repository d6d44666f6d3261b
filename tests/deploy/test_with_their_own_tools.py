"""Each tool accepts what deploy/ has for it. `make linters` installs some of them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.deployed import DEPLOY, KUBERNETES, ROOT, SYSTEMD, UNITS
from tests.support.tls_front import Authority

pytestmark = pytest.mark.torture

OWN = ROOT / "tests" / "deploy" / ".venv" / "bin"
MOST_EXPOSED = 15
"""How much `systemd-analyze security` may find in a unit, in tenths: without protection 100."""


def tool(name: str) -> str:
    """Return the path of a program, or skip."""
    found = shutil.which(name, path=f"{OWN}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    """Return what a program prints, which must succeed."""
    done = subprocess.run(  # noqa: S603  # tools on files of this repository
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_compose_accepts_its_file(tmp_path: Path) -> None:
    digest = "sha256:" + "0123456789abcdef" * 4  # of no image: nothing is pulled
    example = (DEPLOY / "compose" / "env.example").read_text()
    (tmp_path / ".env").write_text(example.replace("sha256:…", digest))
    file = DEPLOY / "compose" / "compose.yaml"
    printed = run(
        tool("docker-compose"), "--env-file", tmp_path / ".env", "-f", file, "config", "-q"
    )
    assert printed == ""  # no warning of a variable without a value either


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_accepts_the_example(version: str, tmp_path: Path) -> None:
    validate, kubectl = tool("kubernetes-validate"), tool("kubectl")
    built = tmp_path / "built.yaml"
    built.write_text(run(kubectl, "kustomize", KUBERNETES / "example"))
    printed = run(validate, "--strict", "-k", version, built)
    assert printed.count(" passed ") == built.read_text().count("\nkind: ") > 20
    assert "192.0.2.10" not in built.read_text()  # the overlay has named the database


def test_nginx_accepts_its_configuration_wherever_the_processes_are(tmp_path: Path) -> None:
    nginx = tool("nginx")
    certificate = Authority(tmp_path, "authority").issue("tls")
    for upstreams in (
        DEPLOY / "nginx" / "botkeys-upstreams.conf",
        DEPLOY / "compose" / "upstreams.conf",
        KUBERNETES / "proxy" / "botkeys-upstreams.conf",
    ):
        folder = tmp_path / upstreams.parent.name
        folder.mkdir()
        # Names of services are known in a cluster alone.
        text = re.sub(r"botkeys-(api|runtime):8000", "127.0.0.1:8000", upstreams.read_text())
        (folder / "upstreams.conf").write_text(text)
        server = (DEPLOY / "nginx" / "botkeys.conf").read_text()
        (folder / "botkeys.conf").write_text(
            server.replace("/etc/nginx/tls", str(certificate.key.parent))
        )
        main = (DEPLOY / "nginx" / "nginx.conf").read_text()
        file = folder / "nginx.conf.main"
        file.write_text(
            main.replace("/etc/nginx/conf.d", str(folder)).replace("/tmp", str(folder))  # noqa: S108
        )
        assert "test is successful" in run(nginx, "-t", "-c", file)


def test_systemd_accepts_the_units_and_finds_them_closed(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    program = tmp_path / "botkeys"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    names = []
    for file in [*UNITS, *SYSTEMD.glob("*.timer"), *SYSTEMD.glob("*.target")]:
        text = file.read_text().replace("/opt/botkeys/bin/botkeys", str(program))
        (tmp_path / file.name).write_text(text)
        names.append(file.name.replace("@.", "@1."))
        (tmp_path / names[-1]).write_text(text)
    for name in names:
        printed = run(
            analyze, "verify", "--man=no", tmp_path / name, SYSTEMD_UNIT_PATH=f"{tmp_path}:"
        )
        assert printed == ""
    for file in UNITS:
        run(analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", file)


def test_prometheus_accepts_its_files_and_each_alert_fires_when_it_should() -> None:
    promtool, folder = tool("promtool"), DEPLOY / "prometheus"
    run(promtool, "check", "config", "prometheus.yaml", cwd=folder)
    assert "SUCCESS" in run(promtool, "test", "rules", "alerts.test.yaml", cwd=folder)


def test_the_dockerfile_has_no_fault() -> None:
    run(tool("hadolint"), ROOT / "Dockerfile")
