"""The simulated exchanges' API keys, computed without a running simulator."""

from collections.abc import Collection
from typing import Any

from app.simulator.ids import DEMO, ENVIRONMENTS, EXCHANGES, TESTNET, places
from app.simulator.keys import DEFAULT_SEED, KeyText, Material, Variant
from app.simulator.venues import VENUES


def key_texts(seed: str, exchange: str, environment: str) -> dict[Variant, KeyText]:
    make = VENUES[exchange].key_text
    return {
        variant: make(Material(seed, exchange, environment, variant.value)) for variant in Variant
    }


def credentials(seed: str = DEFAULT_SEED) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    """Return `{exchange: {environment: {variant: {api_key, api_secret, api_passphrase?}}}}`.

    `api_passphrase` is present if the exchange has one. Plain text on purpose: these keys open only
    the simulator with the same seed.
    """
    return {
        exchange: {
            environment: {
                variant.value: _fields(text)
                for variant, text in key_texts(seed, exchange, environment).items()
            }
            for environment in ENVIRONMENTS
        }
        for exchange in VENUES
    }


def demo_credentials(seed: str = DEFAULT_SEED) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    """Return the keys of Demo Trading where it is a site of its own, in the form of
    `credentials`: they are added as testnet, with the region `demo`.
    """
    return {
        exchange: {
            TESTNET: {
                variant.value: _fields(text)
                for variant, text in key_texts(seed, exchange, DEMO).items()
            }
        }
        for exchange in VENUES
        if DEMO in places(exchange)
    }


def select_credentials(
    exchange: str, environment: str | None, variant: str | None, seed: str = DEFAULT_SEED
) -> dict[str, Any]:
    """Return one credential, as the API takes it: `{api_key, api_secret, api_passphrase?}`.

    Without `variant`, all those of the exchange or of one environment, in the form of
    `credentials`. Raises ValueError for an unknown name, with those that exist.
    """
    _require("exchange", exchange, EXCHANGES)
    if environment is not None:
        _require(f"environment of {exchange}", environment, places(exchange))
    if variant is None:
        chosen = ENVIRONMENTS if environment is None else (environment,)
        return {
            exchange: {
                place: {
                    each.value: _fields(text)
                    for each, text in key_texts(seed, exchange, place).items()
                }
                for place in chosen
            }
        }
    _require("variant", variant, [each.value for each in Variant])
    return _fields(key_texts(seed, exchange, environment or TESTNET)[Variant(variant)])


def _require(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ValueError(f"There is no {kind} {name!r}, but there are {', '.join(known)}.")


def _fields(text: KeyText) -> dict[str, str]:
    fields = {"api_key": text.api_key, "api_secret": text.api_secret}
    if text.api_passphrase is not None:
        fields["api_passphrase"] = text.api_passphrase
    return fields
