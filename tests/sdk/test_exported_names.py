"""The names that a bot may import. Removing or renaming one is a breaking change."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import botkeys
import botkeys.ccxt
import botkeys.client
import botkeys.signing_proxy
from botkeys.client import BotClient, ReleasedCredentials

CLIENT = {
    "BotClient",
    "ReleasedCredentials",
    "Secret",
    "Pace",
    "HttpTransport",
    "Outbound",
    "TransportLimits",
    "BotConfig",
    "ConfigKey",
    "ConfigAsset",
    "Fee",
    "Endpoints",
    "Environment",
    "Contract",
    "ContractType",
    "Heartbeat",
    "Position",
    "PositionKey",
    "Direction",
    "Level",
    "SuiteName",
    # whether the exchange accepts the credentials
    "CredentialCheck",
    "CredentialHealth",
    "CredentialReport",
    "Permissions",
    "PermissionAnswer",
    "RefusalReason",
    "UnclearReason",
    "ExchangeError",
    "CredentialsRefused",
    "ExchangeAdapter",
    "find_adapter",
    # ccxt's names of the exchanges
    "CcxtExchange",
    "ExchangeId",
    "from_ccxt",
    "to_ccxt",
    # errors
    "BotClientError",
    "InsecureAddress",
    "MalformedToken",
    "Unreachable",
    "MalformedAnswer",
    "WrongKey",
    "OlderVersion",
    "CannotOpen",
    "CcxtMissing",
    "CcxtUnsupported",
    "SizeUnknown",
    "Forgotten",
    "ReportsPending",
    "TooManyReports",
    "OutboxUnusable",
    "NotRecordable",
    "NotReserved",
    "ReportsRefused",
    "Refusal",
    "Refused",
    "NotAuthenticated",
    "Forbidden",
    "NoKey",
    "KeyInactive",
    "MayNotOpen",
    "RateLimited",
    "ServiceUnavailable",
}
SIGNING_PROXY = {"KeyHolder", "Market", "Placeholder", "RefusalCode", "SigningProxy", "market"}
INTERNAL = ("commands", "exchanges", "sealing", "transport")


def test_the_package_exports_the_client() -> None:
    assert botkeys.__all__ == ["BotClient"]
    assert botkeys.BotClient is BotClient
    with pytest.raises(AttributeError, match="has no attribute 'BotClinet'"):
        getattr(botkeys, "BotClinet")  # noqa: B009  # a type checker rejects the plain form


def test_the_client_exports_what_a_bot_needs() -> None:
    assert set(botkeys.client.__all__) == CLIENT
    defined = {
        name
        for name, value in vars(botkeys.client).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert defined == CLIENT


def test_the_signing_proxy_exports_what_starts_one() -> None:
    assert set(botkeys.signing_proxy.__all__) == SIGNING_PROXY


def test_the_module_for_ccxt_exports_three_functions() -> None:
    assert set(botkeys.ccxt.__all__) == {"exchange", "exchange_id", "options"}


def test_the_other_packages_say_that_they_are_internal() -> None:
    packages = {each.name for each in pkgutil.iter_modules(botkeys.__path__) if each.ispkg}
    assert packages == {"client", "signing_proxy", *INTERNAL}
    for name in INTERNAL:
        package = importlib.import_module(f"botkeys.{name}")
        assert (package.__doc__ or "").startswith("Internal: ")
        assert {each for each in vars(package) if not each.startswith("_")} <= {
            each.name for each in pkgutil.iter_modules(package.__path__)
        }


def _types(hint: Any) -> Iterator[type]:
    if inspect.isclass(hint):
        yield hint
    for argument in get_args(hint):
        for each in argument if isinstance(argument, list) else [argument]:
            yield from _types(each)


def _signatures(exported: type) -> Iterator[Any]:
    """Yield the class and its public functions; ReleasedCredentials is made by the SDK alone."""
    yield exported
    made_by_users = exported is not ReleasedCredentials
    for name, member in inspect.getmembers(exported):
        function = member.fget if isinstance(member, property) else member
        public = not name.startswith("_") or (name == "__init__" and made_by_users)
        if public and inspect.isfunction(function) and function.__module__.startswith("botkeys"):
            yield function


@pytest.mark.parametrize("name", sorted(CLIENT))
def test_every_type_in_a_public_signature_is_public_too(name: str) -> None:
    exported = getattr(botkeys.client, name)
    if not inspect.isclass(exported) or not exported.__module__.startswith("botkeys.client"):
        return
    for signature in _signatures(exported):
        for member, hint in get_type_hints(signature).items():
            ours = {each for each in _types(hint) if each.__module__.startswith("botkeys")}
            hidden = {each.__name__ for each in ours} - CLIENT
            assert member.startswith("_") or not hidden, (signature, member)


@pytest.mark.parametrize(
    "module", ["bot", "mean_reversion", "okx_order", "paper", "prices", "trader"]
)
def test_the_example_bot_uses_public_names_only(module: str) -> None:
    path = Path(__file__).parents[2] / "examples" / f"{module}.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("botkeys"):
            assert node.module in {"botkeys", "botkeys.client"}
