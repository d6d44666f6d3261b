"""How a process reaches issuer, exchanges and webhooks: authorities and a proxy of the settings."""

from app.settings import Settings, SettingsError
from botkeys.sealing.secret import Secret
from botkeys.transport.outbound import Outbound, OutboundFault


def outbound_of(settings: Settings) -> Outbound:
    """Return the way out of a process; `tls` of it is for calls that take no proxy.

    The file of authorities is read here, at the start. Raises `SettingsError`.
    """
    proxy = settings.https_proxy
    try:
        return Outbound(
            ca_file=settings.ca_file,
            proxy=None if proxy is None else Secret(proxy.get_secret_value()),
            no_proxy=settings.no_proxy,
        )
    except OutboundFault as error:
        raise SettingsError(str(error)) from None
