"""Makes a link that signs in to the dashboard of development, from the files of its data folder."""

from app.custody.keyfiles import KeyKind
from app.dashboard.sign_in.one_time_links import OneTimeLinks
from app.process.data_folder import DataFolder
from app.process.startup import prepare_key_folder
from app.settings import Mode, Role, Settings, SettingsError


def dashboard_link(settings: Settings, account: str) -> str:
    """Return the address; raise `SettingsError` where links do not sign in.

    Raises `ValueError` for a name that no account can have.
    """
    if settings.mode is not Mode.DEVELOPMENT:
        raise SettingsError("Only development mode has links that sign in. Use your issuer.")
    if settings.oidc_issuer is not None:
        raise SettingsError(
            "BOTKEYS_OIDC_ISSUER is set, so people sign in to the dashboard with that issuer: "
            f"open {settings.page_url}/."
        )
    if not settings.serves_dashboard:
        raise SettingsError("BOTKEYS_DASHBOARD is false: there is no dashboard to sign in to.")
    if settings.keys_dir is None:
        DataFolder(settings.data_dir).prepare()
    folder = prepare_key_folder(settings, Role.ALL)
    links = OneTimeLinks(folder.read_secret(KeyKind.AUDIT_HMAC))
    return settings.page_url + links.make(account)
