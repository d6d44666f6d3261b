"""Settings: each is documented, a typing error is found, and no value is ever repeated."""

import re
from pathlib import Path

import pytest

import botkeys
from app.settings import PREFIX, Mode, Settings, SettingsError, load_settings, secret_settings
from botkeys.variables import CA_FILE, EXCHANGE_HOSTS, HTTPS_PROXY, NO_PROXY, VARIABLES


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Provide an environment without any setting of this service."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"BOTKEYS_{name.upper()}", raising=False)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_the_default_is_production_with_real_exchanges() -> None:
    settings = load_settings()

    assert settings.mode is Mode.PRODUCTION
    assert not settings.simulated
    assert settings.withdrawal_policy == "reject"
    assert settings.releases_per_hour == 12
    assert settings.heartbeat_lease == 30
    assert settings.keys_folder == Path(".botkeys/keys")


@pytest.mark.usefixtures("environment")
def test_commands_for_developers_are_development_with_simulated_exchanges() -> None:
    settings = load_settings(default_mode=Mode.DEVELOPMENT)

    assert settings.mode is Mode.DEVELOPMENT
    assert settings.simulated


def test_a_mode_that_is_set_holds_whatever_the_command(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BOTKEYS_MODE", "production")

    assert load_settings(default_mode=Mode.DEVELOPMENT).mode is Mode.PRODUCTION


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BOTKEYS_PROT", "8001", "BOTKEYS_PORT"),
        ("BOTKEYS_DATABSE_URL", "PLANTED", "BOTKEYS_DATABASE_URL"),
        ("BOTKEYS_WHATEVER_ELSE", "PLANTED", "not a setting"),
        ("botkeys_prot", "8001", "BOTKEYS_PORT"),
        ("BOTKEYS_PORT", "PLANTED", "BOTKEYS_PORT"),
        ("BOTKEYS_PORT", "70000", "BOTKEYS_PORT"),
        ("BOTKEYS_MODE", "PLANTED", "BOTKEYS_MODE"),
        ("BOTKEYS_DATABASE_URL", "mysql://root:PLANTED@db/x", "postgresql://"),
        ("BOTKEYS_DATABASE_URL", "PLANTED", "BOTKEYS_DATABASE_URL"),
        ("BOTKEYS_WITHDRAWAL_POLICY", "PLANTED", "BOTKEYS_WITHDRAWAL_POLICY"),
        ("BOTKEYS_OIDC_ALGORITHMS", "HS256", "BOTKEYS_OIDC_ALGORITHMS"),
        ("BOTKEYS_OIDC_ALGORITHMS", "RS256 none", "BOTKEYS_OIDC_ALGORITHMS"),
        ("BOTKEYS_OIDC_ALGORITHMS", "", "BOTKEYS_OIDC_ALGORITHMS"),
        ("BOTKEYS_EXCHANGES", "simulated", "only available in development"),
        ("BOTKEYS_KEY_CHECK_TIMEOUT", "0", "BOTKEYS_KEY_CHECK_TIMEOUT"),
        ("BOTKEYS_RELEASES_PER_HOUR", "-1", "BOTKEYS_RELEASES_PER_HOUR"),
        ("BOTKEYS_CORS_ORIGINS", "https://a.example https://PLANTED/path", "item 2 must end after"),
        ("BOTKEYS_CORS_ORIGINS", "*", "item 1 has a wildcard"),
        ("BOTKEYS_CORS_ORIGINS", "null", "item 1 is `null`"),
        ("BOTKEYS_OUTBOUND_ADDRESSES", "203.0.113.7,PLANTED", "item 2 must be an IP address"),
    ],
)
def test_a_setting_that_cannot_be_right_is_named_and_its_value_is_not(
    environment: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    environment.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        load_settings()

    assert expected in str(refused.value)
    assert "PLANTED" not in str(refused.value)


def test_every_mistake_is_reported_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BOTKEYS_PORT", "x")
    environment.setenv("BOTKEYS_LOG_LEVEL", "loud")

    with pytest.raises(SettingsError) as refused:
        load_settings()

    assert "BOTKEYS_PORT" in str(refused.value)
    assert "BOTKEYS_LOG_LEVEL" in str(refused.value)


def test_the_variables_of_the_sdk_s_commands_are_no_mistake(
    environment: pytest.MonkeyPatch,
) -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    assert VARIABLES & settings == {EXCHANGE_HOSTS, CA_FILE, HTTPS_PROXY, NO_PROXY}
    for name in VARIABLES - settings:
        environment.setenv(name, "PLANTED")
    assert "PLANTED" not in repr(load_settings())
    used = re.findall(r'"(BOTKEYS_[A-Z_]+)"', " ".join(_sources_of_the_sdk()))
    assert set(used) - {PREFIX} == VARIABLES


def _sources_of_the_sdk() -> list[str]:
    return [path.read_text() for path in Path(botkeys.__file__).parent.rglob("*.py")]


def test_service_links_of_kubernetes_are_no_settings(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BOTKEYS_PORT", "tcp://10.0.0.7:8000")
    environment.setenv("BOTKEYS_SERVICE_HOST", "10.0.0.7")
    environment.setenv("BOTKEYS_API_SERVICE_PORT_HTTP", "8000")
    environment.setenv("BOTKEYS_RUNTIME_PORT_8000_TCP_ADDR", "10.0.0.8")

    assert load_settings().port == 8000
    environment.setenv("BOTKEYS_PORT", "9001")
    assert load_settings().port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOTKEYS_PORT", "tcp"),
        ("BOTKEYS_SERVICE_HOST", "botkeys.example"),
        ("BOTKEYS_PROT", "tcp://10.0.0.7:8000"),
        ("BOTKEYS_DATABASE_PORT", "5432"),
    ],
)
def test_a_mistake_is_not_taken_for_a_service_link(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_lists_are_words_with_commas_or_spaces(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BOTKEYS_OIDC_ALGORITHMS", "RS256, ES256")
    environment.setenv("BOTKEYS_CORS_ORIGINS", "https://a.example https://b.example")

    settings = load_settings()

    assert settings.oidc_algorithms == ("RS256", "ES256")
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_an_address_with_a_password_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BOTKEYS_DATABASE_URL", "postgresql://botkeys:PLANTED@db/botkeys")

    with pytest.raises(SettingsError, match=r"^BOTKEYS_DATABASE_URL connects") as refused:
        load_settings()
    assert "PLANTED" not in str(refused.value)
    environment.setenv("BOTKEYS_DATABASE_TLS", "any")
    settings = load_settings()

    assert "PLANTED" not in repr(settings)
    assert "PLANTED" not in str(settings.model_dump())
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value().endswith("PLANTED@db/botkeys")


def test_no_file_in_the_working_directory_is_read(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("BOTKEYS_PORT=9999\n")
    environment.chdir(tmp_path)

    assert load_settings().port == 8000


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.rstrip().endswith((".", "503")), name


def example(name: str) -> str:
    return {
        "database_url": "postgresql:///PLANTED",
        "direct_database_url": "postgresql:///PLANTED",
        "replica_database_url": "postgresql:///PLANTED",
        "limits_url": "redis://PLANTED",
        "https_proxy": "http://user:PLANTED@proxy.test",
    }.get(name, "PLANTED")


@pytest.fixture
def without_tls(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    environment.setenv("BOTKEYS_DATABASE_TLS", "any")
    return environment


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_every_secret_can_be_in_a_file_whose_end_of_line_is_cut_off(
    without_tls: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    """R89."""
    assert {"database_url", "limits_url", "dashboard_client_secret"} <= set(secret_settings())
    for name in secret_settings():
        path = tmp_path / name
        path.write_bytes((example(name) + ending).encode())
        without_tls.setenv(f"BOTKEYS_{name.upper()}_FILE", str(path))

    settings = load_settings()

    for name in secret_settings():
        assert getattr(settings, name).get_secret_value() == example(name)
    assert "PLANTED" not in repr(settings)


def test_only_secrets_have_a_form_for_files() -> None:
    held = {
        name for name in Settings.model_fields if "SecretStr" in repr(Settings.model_fields[name])
    }
    assert set(secret_settings()) == held


def test_both_forms_of_one_secret_are_refused(
    without_tls: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.write_text("PLANTED")
    for name in secret_settings():
        without_tls.setenv(f"BOTKEYS_{name.upper()}", example(name))
        without_tls.setenv(f"BOTKEYS_{name.upper()}_FILE", str(path))

    with pytest.raises(SettingsError) as refused:
        load_settings()

    assert str(refused.value).splitlines() == [
        f"BOTKEYS_{name.upper()} and BOTKEYS_{name.upper()}_FILE are both set. Unset one of them."
        for name in secret_settings()
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"PLANTED" * 10_000, "is larger than 16384 bytes"),
        (b"PLANTED\xff", "is not text in UTF-8"),
        (b"PLANTED\nmore\n", "is not one line"),
        (b"PLANTED\0", "is not one line"),
        (None, r"cannot be read \(No such file or directory\)"),
    ],
    ids=["empty", "only a line's end", "large", "not UTF-8", "two lines", "binary", "missing"],
)
def test_a_file_without_a_secret_is_named_and_its_content_is_not(
    environment: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    environment.setenv("BOTKEYS_DASHBOARD_CLIENT_SECRET_FILE", str(path))

    with pytest.raises(
        SettingsError, match=rf"^BOTKEYS_DASHBOARD_CLIENT_SECRET_FILE: {path} {expected}"
    ) as refused:
        load_settings()

    assert "PLANTED" not in str(refused.value)


def test_a_wrong_value_in_a_file_is_not_shown(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.write_text("mysql://root:PLANTED@db/x")
    environment.setenv("BOTKEYS_DATABASE_URL_FILE", str(path))

    with pytest.raises(SettingsError, match="must be a postgresql:// URL") as refused:
        load_settings()

    assert "PLANTED" not in str(refused.value)


def test_a_misspelt_variable_of_a_file_is_found(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BOTKEYS_DATABSE_URL_FILE", "/nowhere")

    with pytest.raises(SettingsError, match="Did you mean BOTKEYS_DATABASE_URL_FILE"):
        load_settings()
