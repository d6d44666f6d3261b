"""`make demo PAGE=1`: a filled dashboard to look at, and nothing left of it afterwards."""

import re
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.processes.running import ROOT, Running, all_end, environment, eventually

_SECONDS = 180
pytestmark = pytest.mark.timeout(_SECONDS)
_SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "X-Botkeys": "1"}


@pytest.mark.torture
def test_the_page_has_a_month_of_trading_and_bots_that_go_on(tmp_path: Path) -> None:
    kept = {**environment(), "TMPDIR": str(tmp_path), "BOTKEYS_DATABASE_URL": "postgresql://other"}
    page = Running(sys.executable, "-m", "examples.page", env=kept, cwd=ROOT)
    try:
        assert page.says("Ctrl-C ends it.", _SECONDS), page.text
        found = re.search(r"(http://127\.0\.0\.1:\d+)(/auth/link/\S+)", page.stdout)
        assert found is not None, page.text
        with httpx.Client(base_url=found[1], headers=_SAME_ORIGIN, timeout=60) as browser:
            assert browser.post(found[2]).status_code == 303
            assert len(browser.get("/v1/keys").json()["items"]) == 9
            for environment_name in ("live", "testnet"):
                listed = browser.get("/v1/trades", params={"environment": environment_name})
                assert len(listed.json()["items"]) >= 50

            def trades_on() -> bool:
                bots = browser.get("/v1/bots").json()["items"]
                return all(bot["online"] for bot in bots) and any(
                    bot["open_positions"] for bot in bots
                )

            assert eventually(trades_on)
        family = page.family()
        page.send(signal.SIGINT)
        assert page.wait() == 0, page.text
        assert all_end(family)
        assert page.is_clean, page.text
        assert list(tmp_path.iterdir()) == []
    finally:
        page.close()
