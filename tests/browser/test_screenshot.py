"""The picture of the page on README's first screen."""

import os
import struct
from pathlib import Path

from playwright.async_api import expect

from examples.furnished import BOTS, KEYS, furnish
from tests.browser.conftest import SignIn

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "dashboard.png"
LARGEST = 200 * 1024
WIDTH, HEIGHT = 1240, 680
FIRST_SCREEN = 30
"""Lines of README that a visitor sees without scrolling."""


def size_of(picture: bytes) -> tuple[int, int]:
    """Return width and height of a PNG file (its IHDR chunk)."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


async def test_the_readme_shows_the_page(sign_in: SignIn, tmp_path: Path) -> None:
    """`make screenshot` writes the picture into docs/images."""
    person = await sign_in(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    await furnish(person.api)
    await person.opens("/keys")
    for label, *_ in KEYS:
        await expect(person.page.get_by_role("link", name=label)).to_be_visible()
    for name in BOTS.values():
        await expect(person.page.get_by_role("link", name=name)).to_be_visible()
    await expect(person.page.locator(".stream")).to_have_text("Connected")
    place = Path(os.environ.get("SCREENSHOT", tmp_path / "dashboard.png"))
    taken = await person.page.screenshot(path=place, animations="disabled")
    assert len(taken) <= LARGEST
    assert size_of(taken) == (WIDTH, HEIGHT)


def test_the_picture_in_the_readme_is_small_and_as_the_test_takes_it() -> None:
    picture = PICTURE.read_bytes()
    assert len(picture) <= LARGEST
    assert size_of(picture) == (WIDTH, HEIGHT)
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:FIRST_SCREEN])
    assert f"]({PICTURE.relative_to(ROOT).as_posix()})" in first
