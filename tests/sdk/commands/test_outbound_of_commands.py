"""How commands and clients reach service and exchange: by the variables, or with a sentence."""

import os
from pathlib import Path
from uuid import UUID

import pytest

from app.custody.bot_token import mint
from botkeys.client import BotClient, Unreachable
from botkeys.commands.connection_options import outbound
from botkeys.commands.endings import Ending, UsageFault
from botkeys.commands.exchange_check import Outcome, _ask
from botkeys.commands.exchange_names import Market
from botkeys.exchanges.model import Credentials, Environment
from botkeys.exchanges.registry import ADAPTERS
from botkeys.sealing.secret import Secret
from botkeys.sync import BotClient as BlockingClient
from botkeys.variables import CA_FILE, HTTPS_PROXY
from tests.support.outward import forward_proxy, tls_host
from tests.support.tls_front import Authority

MARKET = Market("bybit", Environment.TESTNET, None, "linear")
CREDENTIALS = Credentials(Secret("PLANTED-key"), Secret("PLANTED-secret"))
TOKEN = mint(UUID(int=1), UUID(int=2), os.urandom)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Firm CA")


async def test_a_check_says_which_certificate_failed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_host(authority.issue("exchange"), {}) as port:
        address = f"https://127.0.0.1:{port}"
        hosts = {"bybit": {"testnet": ADAPTERS["bybit"].simulated(Environment.TESTNET, address)}}
        unknown = await _ask(MARKET, CREDENTIALS, hosts, 5)
        monkeypatch.setenv(CA_FILE, str(authority.path))
        known = await _ask(MARKET, CREDENTIALS, hosts, 5)
    assert unknown.outcome is Outcome.UNREACHABLE
    assert "“CN=exchange” issued by “CN=Firm CA”" in unknown.advice[0]
    assert "BOTKEYS_CA_FILE" in unknown.advice[0]
    assert "certificate" not in str(known.advice)


async def test_a_check_says_that_the_proxy_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with forward_proxy({}) as proxy:
        monkeypatch.setenv(HTTPS_PROXY, proxy.url("user:PLANTED@"))
        found = await _ask(MARKET, CREDENTIALS, {}, 5)
    assert found.outcome is Outcome.UNREACHABLE
    assert "the proxy of BOTKEYS_HTTPS_PROXY opens no way" in found.advice[0]
    assert "PLANTED" not in found.advice[0]
    assert {host.rpartition(":")[2] for host in proxy.asked} == {"443"}


async def test_a_bot_gets_the_reason(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tls_host(authority.issue("service"), {}) as port:
        address = f"https://127.0.0.1:{port}"
        async with BotClient(address, TOKEN) as bot:
            with pytest.raises(Unreachable, match="“CN=service” issued by “CN=Firm CA”") as away:
                await bot.config()
        assert not away.value.retryable
        monkeypatch.setenv(CA_FILE, str(authority.path))
        async with BotClient(address, TOKEN) as bot:
            with pytest.raises(Exception, match="404"):
                await bot.config()


@pytest.mark.parametrize("client", [BotClient, BlockingClient])
def test_wrong_variables_end_before_any_call(
    client: type[BotClient | BlockingClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CA_FILE, str(tmp_path / "missing.pem"))
    with pytest.raises(ValueError, match=CA_FILE):
        client("https://127.0.0.1:1", TOKEN)
    with pytest.raises(UsageFault, match=CA_FILE) as fault:
        outbound()
    assert fault.value.ending is Ending.USAGE
