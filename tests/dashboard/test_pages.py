"""How the page and its files are served, and what of them a browser loads first."""

import gzip
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.dashboard.pages import STATIC, Page
from app.main import create_app
from app.settings import Mode, Role, Settings
from tests.support.world import World

FIRST_LOAD = 150 * 1024


async def get(world: World, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        return await client.get(path, headers=headers)


def imported(name: str) -> set[str]:
    """Return the files that a module needs before it runs, itself included."""
    found, waiting = set(), [name]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            code = (STATIC / file).read_text()
            for match in re.finditer(r"""\bfrom ?["'](\.[^"']+)["']""", code):
                path = (STATIC / file).parent / match[1]
                waiting.append(path.resolve().relative_to(STATIC).as_posix())
    return found


def first_load() -> dict[str, int]:
    """Return what the page of the keys loads before it can be used, with sizes as they are sent."""
    index = (STATIC / "index.html").read_text()
    files = set(re.findall(r'"/assets/([^"]+)"', index)) | imported("main.js")
    files |= imported("views/keys.js") | {"index.html"}
    return {name: len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in files}


def test_the_first_load_stays_small() -> None:
    sizes = first_load()
    assert {"main.js", "vendor/preact.js", "style.css", "kit/live.js"} <= sizes.keys()
    assert sum(sizes.values()) <= FIRST_LOAD, sizes
    assert "vendor/uplot.js" not in sizes


def test_a_view_s_modules_exist() -> None:
    for view in STATIC.glob("views/*.js"):
        assert all((STATIC / name).is_file() for name in imported(f"views/{view.name}"))


def test_the_page_preloads_only_modules_that_it_needs() -> None:
    index = (STATIC / "index.html").read_text()
    preloaded = set(re.findall(r'rel="modulepreload" href="/assets/([^"]+)"', index))
    assert preloaded <= imported("main.js")


def test_vendored_libraries_have_licence_and_hash() -> None:
    vendor = STATIC / "vendor"
    versions: dict[str, Any] = json.loads((vendor / "versions.json").read_text())
    assert versions.keys() == {
        file.name for file in vendor.iterdir() if file.suffix in {".js", ".css"}
    }
    for name, one in versions.items():
        assert sha256((vendor / name).read_bytes()).hexdigest() == one["sha256"], name
        licence = one["package"].removeprefix("@").replace("/", "-")
        assert (vendor / f"LICENSE.{licence}.txt").is_file()


async def test_every_view_is_the_page_with_a_strict_policy(world: World) -> None:
    for path in ("/", "/keys", "/sign-in"):
        page = await get(world, path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-cache"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script>" not in page.text
        assert "style=" not in page.text
    again = await get(world, "/", **{"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_file_is_kept_for_good_under_its_own_release_only(world: World) -> None:
    page = await get(world, "/")
    address = next(iter(re.findall(r'src="(/assets/[^"]+/main\.js)"', page.text)))
    file = await get(world, address, **{"Accept-Encoding": "gzip"})
    assert file.headers["content-encoding"] == "gzip"
    assert file.headers["content-type"].startswith("text/javascript")
    assert "immutable" in file.headers["cache-control"]
    assert file.text == (STATIC / "main.js").read_text()
    plain = await get(world, address, **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    # During an upgrade, another release's page asks this one for its files.
    other = await get(world, re.sub(r"/assets/\w+/", "/assets/0123456789abcdef/", address))
    assert other.status_code == 200
    assert other.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "nothing.js",
        "index.html",
        "../pages.py",
        "..%2fpages.py",
        "%2e%2e/pages.py",
        "/etc/passwd",
        "vendor/preact.d.ts",
        "vendor",
        "",
    ],
)
async def test_nothing_but_the_files_of_the_page_is_served(world: World, path: str) -> None:
    answer = await get(world, f"/assets/{Page().release}/{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def served(role: Role, mode: Mode, *, dashboard: bool | None) -> bool:
    settings = Settings(mode=mode, dashboard=dashboard)
    return any(getattr(one, "path", "") == "/keys" for one in create_app(settings, role).routes)


def test_the_role_api_serves_the_page_in_development_or_where_it_is_wanted() -> None:
    assert served(Role.ALL, Mode.DEVELOPMENT, dashboard=None)
    assert not served(Role.ALL, Mode.DEVELOPMENT, dashboard=False)
    assert not served(Role.ALL, Mode.PRODUCTION, dashboard=None)
    assert not served(Role.RUNTIME, Mode.DEVELOPMENT, dashboard=True)


def test_files_that_differ_have_another_address(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="/assets/a.js"></script>')
    (tmp_path / "a.js").write_text("one")
    first = Page(tmp_path).release
    (tmp_path / "a.js").write_text("two")
    assert Page(tmp_path).release != first
