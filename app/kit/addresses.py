"""Lists of IP addresses and networks, as people write them in settings."""

from collections.abc import Sequence
from ipaddress import ip_network


def networks(words: Sequence[str]) -> tuple[str, ...]:
    """Return addresses and networks in their usual spelling, each once.

    Raises `ValueError` with a sentence that names what is wrong and the number of the word.
    """
    found = []
    for number, word in enumerate(words, 1):
        try:
            network = ip_network(word)
        except ValueError:
            raise ValueError(
                f"item {number} must be an IP address or a network such as 203.0.113.0/24, without "
                "bits beyond its prefix"
            ) from None
        if not network.prefixlen:
            raise ValueError(f"item {number} is every address, which restricts nothing")
        single = network.prefixlen == network.max_prefixlen
        found.append(str(network.network_address if single else network))
    return tuple(dict.fromkeys(found))
