"""`botkeys dashboard`: a link of the data folder's own service, in development alone."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.commands.dashboard_link import dashboard_link
from app.custody.keyfiles import KeyFolder, KeyKind
from app.dashboard.sign_in.one_time_links import OneTimeLinks
from app.settings import Mode, Settings, SettingsError


def development(folder: Path, **changes: object) -> Settings:
    return Settings(mode=Mode.DEVELOPMENT, data_dir=folder, **changes)  # type: ignore[arg-type]


def test_the_service_of_the_data_folder_takes_the_link(tmp_path: Path) -> None:
    settings = development(tmp_path / "data", port=8123)
    link = dashboard_link(settings, "alice")
    assert link.startswith("http://127.0.0.1:8123/auth/link/")
    key = KeyFolder(settings.keys_folder).read_secret(KeyKind.AUDIT_HMAC)
    found = OneTimeLinks(key).read(link.rpartition("/")[2])
    assert found is not None
    assert found.account == "alice"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mode": Mode.PRODUCTION}, "Only development mode"),
        ({"mode": Mode.DEVELOPMENT, "oidc_issuer": "https://issuer.test"}, "with that issuer"),
        ({"mode": Mode.DEVELOPMENT, "dashboard": False}, "BOTKEYS_DASHBOARD is false"),
    ],
)
def test_where_no_link_signs_in_none_is_made(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        dashboard_link(Settings(**settings), "alice")  # type: ignore[arg-type]


def test_a_name_that_no_account_can_have_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTKEYS_DATA_DIR", str(tmp_path / "data"))
    done = CliRunner().invoke(app, ["dashboard", "--account", " "])
    assert done.exit_code == 2
    assert "an account name must be" in " ".join(done.output.replace("│", " ").split())
