"""Why the proxy does not forward a request."""

from enum import StrEnum


class RefusalCode(StrEnum):
    """The value of the header `X-Botkeys-Refused`."""

    MALFORMED = "malformed"
    """It can be read in more than one way, or not at all."""
    WRONG_HOST = "wrong_host"
    NOT_AUTHENTICATED = "not_authenticated"
    FOREIGN_CREDENTIALS = "foreign_credentials"
    ENDPOINT_NOT_ALLOWED = "endpoint_not_allowed"
    NO_HOST = "no_host"
    """The exchange has no such host in the key's environment."""
    NO_CREDENTIALS = "no_credentials"
    RULES_UNKNOWN = "rules_unknown"
    """The service has not confirmed the configuration for too long."""
    SYMBOL_NOT_ENABLED = "symbol_not_enabled"
    MAY_NOT_OPEN = "may_not_open"
    LEVERAGE_TOO_HIGH = "leverage_too_high"
    ORDER_TOO_LARGE = "order_too_large"
    VALUE_UNKNOWN = "value_unknown"
    EXCHANGE_UNREACHABLE = "exchange_unreachable"
    """Nothing was sent, or nothing that could change anything."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """It was sent, and the exchange did not answer."""


class Refusal(Exception):
    """The proxy refuses a request; the text is for people, and holds no secret."""

    def __init__(self, code: RefusalCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def malformed(text: str) -> Refusal:
    return Refusal(RefusalCode.MALFORMED, text)
