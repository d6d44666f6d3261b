"""Which hosts are this machine."""

import pytest

from botkeys.addresses import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "0.0.0.0", "::", "fe80::1", "localhost.evil.example", "127.0.0.1.example", ""],  # noqa: S104  # nothing listens
)
def test_another_machine(host: str) -> None:
    assert not is_loopback(host)
