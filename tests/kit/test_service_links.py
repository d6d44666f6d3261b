"""Variables that Kubernetes sets for services differ from settings by name and value."""

import pytest

from app.kit.service_links import is_service_link, service_links


def links(service: str) -> dict[str, str]:
    """Return what Kubernetes sets for a service of this name with two ports."""
    return {
        f"{service}_SERVICE_HOST": "10.0.0.7",
        f"{service}_SERVICE_PORT": "8000",
        f"{service}_SERVICE_PORT_HTTP": "8000",
        f"{service}_SERVICE_PORT_HTTP_METRICS": "9000",
        f"{service}_PORT": "tcp://10.0.0.7:8000",
        f"{service}_PORT_8000_TCP": "tcp://10.0.0.7:8000",
        f"{service}_PORT_8000_TCP_PROTO": "tcp",
        f"{service}_PORT_8000_TCP_PORT": "8000",
        f"{service}_PORT_8000_TCP_ADDR": "10.0.0.7",
        f"{service}_PORT_9000_UDP": "udp://[fd00::7]:9000",
        f"{service}_PORT_9000_UDP_PROTO": "udp",
        f"{service}_PORT_9000_UDP_PORT": "9000",
        f"{service}_PORT_9000_UDP_ADDR": "fd00::7",
    }


@pytest.mark.parametrize("service", ["BOTKEYS", "BOTKEYS_API", "BOTKEYS_RUNTIME_V2"])
def test_every_form_is_known(service: str) -> None:
    known = links(service)
    assert service_links({**known, "BOTKEYS_LOG_LEVEL": "info"}, "BOTKEYS_") == sorted(known)


def test_links_of_other_services_are_not_ours() -> None:
    assert service_links(links("POSTGRES"), "BOTKEYS_") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOTKEYS_PORT", "8000"),
        ("BOTKEYS_PORT", "tcp"),
        ("BOTKEYS_PORT", "tcp://"),
        ("BOTKEYS_PORT", "http://10.0.0.7:8000"),
        ("BOTKEYS_POTR", "tcp://10.0.0.7:8000"),
        ("BOTKEYS_PORT_8000", "tcp://10.0.0.7:8000"),
        ("BOTKEYS_SERVICE_HOST", "example.org"),
        ("BOTKEYS_SERVICE_HOSTS", "10.0.0.7"),
        ("BOTKEYS_SERVICE_PORT", "http"),
        ("BOTKEYS_PORT_8000_TCP_PROTO", "8000"),
        ("BOTKEYS_DATABASE_URL", "tcp://10.0.0.7:8000"),
        ("BOTKEYS_HOST", "10.0.0.7"),
    ],
)
def test_anything_else_is_no_link(name: str, value: str) -> None:
    assert not is_service_link(name, value)
