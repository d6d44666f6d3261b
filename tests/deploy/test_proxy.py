"""nginx leads every route to the role that has it, and buffers no stream."""

import json
import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from app.routes import routers_of
from app.settings import Role, Settings
from tests.deploy.deployed import DEPLOY, ROOT, compose

CONFIGURATION = (DEPLOY / "nginx" / "botkeys.conf").read_text()
UPSTREAMS = [
    DEPLOY / "nginx" / "botkeys-upstreams.conf",
    DEPLOY / "compose" / "upstreams.conf",
    DEPLOY / "kubernetes" / "proxy" / "botkeys-upstreams.conf",
]


def role_of(method: str, path: str) -> str:
    """Return the role to which the map of the configuration leads a request."""
    [block] = re.findall(
        r"map \"\$request_method \$uri\" \$botkeys_role \{(.*?)\n\}", CONFIGURATION, re.DOTALL
    )
    patterns = re.findall(r'"~(\S[^"]*)"\s+(\w+);', block)
    assert patterns
    for pattern, role in patterns:
        if re.search(pattern, f"{method} {path}"):
            return str(role)
    [default] = re.findall(r"default\s+(\w+);", block)
    return str(default)


@pytest.mark.parametrize("role", [Role.API, Role.RUNTIME])
def test_every_route_leads_to_its_role(role: Role) -> None:
    routes = [
        (method, re.sub(r"\{[^}]+\}", "0197-x", route.path))
        for router in routers_of(role)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    ]
    assert routes
    assert {one: role_of(*one) for one in routes} == dict.fromkeys(routes, str(role))


def test_paths_that_look_like_another_role_s_do_not_lead_there() -> None:
    assert role_of("GET", "/v1/runtime") == "api"
    assert role_of("GET", "/v1/bots/a/token") == "api"
    assert role_of("POST", "/v1/bots/a/b/token") == "api"
    assert role_of("POST", "/x/v1/runtime/config") == "api"
    assert role_of("GET", "/") == "api"


def test_every_stream_is_passed_on_unbuffered_and_nothing_else() -> None:
    document = json.loads((ROOT / "openapi" / "openapi.json").read_text())
    streams = {
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if "text/event-stream" in json.dumps(operation.get("responses", {}))
    }
    unbuffered = re.findall(r"location (=|~) (\S+) \{\s+proxy_buffering off;", CONFIGURATION)
    matched = {
        path
        for path in document["paths"]
        for kind, where in unbuffered
        if re.search(
            where if kind == "~" else f"^{re.escape(where)}$", re.sub(r"\{[^}]+\}", "x", path)
        )
    }
    assert streams == matched != set()


def test_access_rules_of_bots_routes_are_written_where_all_of_them_are() -> None:
    """A regular expression of the server would come before the prefix, and its rules not hold."""
    [inside] = re.findall(
        r"\n    location \^~ /v1/runtime/ \{\n(.*?)\n    \}\n", CONFIGURATION, re.DOTALL
    )
    assert "`allow` and `deny`" in inside
    elsewhere = CONFIGURATION.replace(inside, "")
    assert not re.search(r"location [^{]*runtime/.*?\{\s*proxy", elsewhere)


def test_limits_and_times_are_those_of_the_service() -> None:
    settings = Settings.model_fields
    assert settings["body_limit"].default == 4 * 1024**2
    assert "client_max_body_size 4m;" in CONFIGURATION
    streams = re.findall(r"proxy_buffering off;\s+proxy_read_timeout (\d+)s", CONFIGURATION)
    assert len(streams) == 2
    assert min(map(int, streams)) >= 2 * settings["stream_keep_alive"].default
    per_address = re.search(r"limit_conn botkeys_address (\d+);", CONFIGURATION)
    assert per_address is not None
    assert int(per_address[1]) == settings["connections_per_address"].default


@pytest.mark.parametrize("file", UPSTREAMS, ids=lambda file: file.parent.name)
def test_requests_that_may_not_be_sent_twice_have_fresh_connections(file: Path) -> None:
    blocks = dict(re.findall(r"upstream botkeys_(\w+) \{(.*?)\n\}", file.read_text(), re.DOTALL))
    assert blocks.keys() == {"api_kept", "api_fresh", "runtime_kept", "runtime_fresh"}
    for role in ("api", "runtime"):
        servers = {
            kind: re.findall(r"server (\S+) ", blocks[f"{role}_{kind}"])
            for kind in ("kept", "fresh")
        }
        assert servers["kept"] == servers["fresh"] != []
        assert "keepalive 64;" in blocks[f"{role}_kept"]
        assert "keepalive" not in blocks[f"{role}_fresh"]


def test_nginx_of_compose_knows_each_process_s_address() -> None:
    named = set(re.findall(r"server ([\d.]+):8000", UPSTREAMS[1].read_text()))
    services = compose()["services"]
    serving = [one for name, one in services.items() if name.startswith(("api", "runtime"))]
    assert named == {one["networks"]["front"]["ipv4_address"] for one in serving}
    nginx = services["nginx"]["networks"]["front"]["ipv4_address"]
    assert {one["environment"]["BOTKEYS_TRUSTED_PROXIES"] for one in serving} == {nginx}
