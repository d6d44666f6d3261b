"""A proxy on loopback that signs a bot's requests, so that the bot never holds the key.

A request that carries the placeholder is read in one canonical form, judged by the configuration of
the service, signed with the real key and forwarded; the answer passes unchanged. Whatever is not on
a list of permitted calls is refused, in the exchange's own form of an error and with the header
`X-Botkeys-Refused`. Needs the extra `botkeys[sign]`.
"""

from botkeys.signing_proxy.dialect import Market
from botkeys.signing_proxy.exchanges import market
from botkeys.signing_proxy.placeholder import Placeholder
from botkeys.signing_proxy.proxy import SigningProxy
from botkeys.signing_proxy.refusals import RefusalCode
from botkeys.signing_proxy.rules import KeyHolder

__all__ = ["KeyHolder", "Market", "Placeholder", "RefusalCode", "SigningProxy", "market"]
