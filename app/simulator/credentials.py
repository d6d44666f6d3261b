"""The simulated exchanges' API keys, computed without a running simulator."""

from app.simulator.ids import DEMO, ENVIRONMENTS, TESTNET, places
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


def _fields(text: KeyText) -> dict[str, str]:
    fields = {"api_key": text.api_key, "api_secret": text.api_secret}
    if text.api_passphrase is not None:
        fields["api_passphrase"] = text.api_passphrase
    return fields
