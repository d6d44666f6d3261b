"""Variables named by exchange, as many small programs read them."""

from collections.abc import Sequence

from botkeys.commands.run.delivery import Delivery
from botkeys.commands.run.given import Given


class EnvironmentPreset:
    """`OKX_API_KEY`, `OKX_API_SECRET` and, where there is one, `OKX_API_PASSPHRASE`."""

    name = "env"
    takes_address = False

    def deliver(self, given: Given, _: Sequence[str]) -> Delivery:
        prefix = f"{given.exchange.upper()}_API_"
        variables = {f"{prefix}KEY": given.api_key, f"{prefix}SECRET": given.api_secret}
        if given.api_passphrase is not None:
            variables[f"{prefix}PASSPHRASE"] = given.api_passphrase
        return Delivery(ways=f"the variables {', '.join(variables)}", variables=variables)
