"""How a process reaches its issuer: a private authority, a proxy, and lines that say what fails."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.auth.remote_keys import RemoteKeys
from app.process.outbound import outbound_of
from app.settings import Settings, SettingsError, load_settings
from botkeys.transport.client import HttpTransport, TransportLimits
from tests.auth.conftest import ec_key, public
from tests.support.outward import forward_proxy, tls_host
from tests.support.tls_front import Authority

ISSUER = "https://issuer.test"
LIMITS = TransportLimits(attempts=1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Firm CA")


async def reached(settings: Settings, issuer: str) -> bool:
    async with HttpTransport(LIMITS, outbound=outbound_of(settings)) as transport:
        return await RemoteKeys(transport, issuer=issuer).reached()


async def test_an_issuer_of_a_private_authority_is_reached_through_a_proxy(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    documents = {
        "/.well-known/openid-configuration": json.dumps(
            {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
        ).encode(),
        "/jwks": json.dumps({"keys": public(ec_key())}).encode(),
    }
    issued = authority.issue("issuer", host="issuer.test")
    async with (
        tls_host(issued, documents) as port,
        forward_proxy({"issuer.test:443": port}) as proxy,
    ):
        address = SecretStr(proxy.url("user:PLANTED@"))
        assert await reached(Settings(ca_file=authority.path, https_proxy=address), ISSUER)
        assert proxy.asked == ["issuer.test:443"]
        assert not await reached(Settings(https_proxy=address), ISSUER)
    (line,) = (each.getMessage() for each in caplog.records if each.name == "botkeys.transport")
    assert "the certificate of issuer.test, “CN=issuer” issued by “CN=Firm CA”" in line
    assert "BOTKEYS_CA_FILE" in line
    assert "PLANTED" not in caplog.text


def test_a_file_of_authorities_is_read_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(SettingsError, match=f"BOTKEYS_CA_FILE: {path} does not exist"):
        outbound_of(Settings(ca_file=path))


def test_settings_of_a_proxy_are_checked_and_never_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BOTKEYS_HTTPS_PROXY", "http://user:PLANTED@proxy.test/path")
    monkeypatch.setenv("BOTKEYS_NO_PROXY", "*.test")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "BOTKEYS_HTTPS_PROXY: " in str(refused.value)
    assert "BOTKEYS_NO_PROXY: " in str(refused.value)
    assert "PLANTED" not in str(refused.value)
    monkeypatch.setenv("BOTKEYS_HTTPS_PROXY", "http://user:PLANTED@proxy.test:3128")
    monkeypatch.setenv("BOTKEYS_NO_PROXY", "issuer.test, 10.0.0.0/8")
    settings = load_settings()
    assert settings.no_proxy == ("issuer.test", "10.0.0.0/8")
    assert "PLANTED" not in repr(settings)
    assert outbound_of(settings).proxy_for("https", "api.issuer.test") is None
