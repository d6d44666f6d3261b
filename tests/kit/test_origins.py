"""Origins of pages that may call the API."""

import pytest

from app.kit.origins import is_loopback_origin, origins


def test_origins_are_kept_once_as_browsers_send_them() -> None:
    written = (
        "https://Dashboard.Example",
        "https://dashboard.example:443",
        "https://dashboard.example:8443",
        "http://localhost:5173",
        "http://intranet:80",
        "http://[2001:DB8::1]:8080",
        "https://xn--bcher-kva.example",
    )
    assert origins(written) == (
        "https://dashboard.example",
        "https://dashboard.example:8443",
        "http://localhost:5173",
        "http://intranet",
        "http://[2001:db8::1]:8080",
        "https://xn--bcher-kva.example",
    )
    assert origins(()) == ()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("null", "is `null`"),
        ("*", "wildcard"),
        ("https://*.example", "wildcard"),
        ("dashboard.example", "must begin with https://"),
        ("//dashboard.example", "must begin with https://"),
        ("ftp://dashboard.example", "must begin with https://"),
        ("chrome-extension://abc", "must begin with https://"),
        ("https://dashboard.example/", "without a path"),
        ("https://dashboard.example/app", "without a path"),
        ("https://dashboard.example?x", "without a path"),
        ("https://dashboard.example#x", "without a path"),
        ("https://user:planted@dashboard.example", "must not have a user"),
        ("https://bücher.example", "xn--"),
        ("https://", "must have a host"),
        ("https://:8443", "must have a host"),
        ("https://dashboard.example:", "no more than a port"),
        ("https://dashboard.example:port", "is not a URL"),
        ("https://dashboard.example:99999", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://dash\x00board.example", "must have a host"),
    ],
)
def test_what_is_no_origin_is_refused_with_what_is_wrong(word: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        origins(("https://good.example", word))
    assert str(refused.value).startswith("item 2 ")
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("port", ["", ":1", ":5173", ":65535"])
def test_pages_of_this_machine_are_recognised(scheme: str, host: str, port: str) -> None:
    assert is_loopback_origin(f"{scheme}://{host}{port}")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://localhost.example",
        "http://localhost:5173.example",
        "http://localhost@evil.example",
        "http://evil.example/http://localhost",
        "http://127.0.0.1.example",
        "http://127.0.0.10",
        "http://128.0.0.1",
        "http://LOCALHOST",
        "http://localhost:",
        "http://localhost:123456",
        "http://localhost/",
        "http://localhost\n",
        "ws://localhost",
        "xhttp://localhost",
        "http://[::2]",
    ],
)
def test_no_other_page_passes_for_one_of_this_machine(origin: str) -> None:
    assert not is_loopback_origin(origin)
