"""TLS to PostgreSQL: pool, listener and migrations prove the server, and are proven to it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from app.db.engine import driver_url, open_database
from app.db.failures import is_outage, outage_sentence
from app.db.migrate import migrate
from app.db.notifications import CHANNEL
from app.db.schema_version import head
from app.db.tls import DatabaseAddressError
from app.domains.runtime.stream.listener import listen
from app.settings import SettingsError, load_settings
from tests.support.database import Server, empty_database
from tests.support.tls_front import Authority, Streams, tls_front


@dataclass(frozen=True, slots=True)
class Secured:
    """A new database whose server is reached over TLS. `folder` is for files of certificates."""

    authority: Authority
    folder: Path
    server: Server
    name: str

    async def connect(self) -> Streams:
        """Open a connection without TLS."""
        url = make_url(self.server.superuser)
        if "host" not in url.query:
            return await asyncio.open_connection(url.host, url.port or 5432)
        socket = Path(str(url.query["host"])) / f".s.PGSQL.{url.query.get('port', 5432)}"
        return await asyncio.open_unix_connection(socket)

    def url(self, port: int, **parameters: object) -> str:
        chosen = {"sslmode": "verify-full", "sslrootcert": self.authority.path, **parameters}
        login = make_url(self.server.superuser).username
        return f"postgresql://{login}@127.0.0.1:{port}/{self.name}?{urlencode(chosen)}"


@pytest.fixture
async def secured(server: Server, tmp_path: Path) -> AsyncIterator[Secured]:
    async with empty_database(server) as name:
        yield Secured(Authority(tmp_path, "authority"), tmp_path, server, name)


async def number(url: str) -> int:
    database = open_database(url, application_name="botkeys-tests", pool_size=1)
    try:
        async with database.engine.connect() as connection:
            return int((await connection.execute(text("SELECT 7"))).scalar_one())
    finally:
        await database.close()


async def refusal(url: str) -> str:
    """Return the sentence with which a command would end."""
    with pytest.raises(OSError) as refused:  # noqa: PT011  # the sentence is compared
        await number(url)
    assert is_outage(refused.value)
    return outage_sentence(refused.value) or ""


async def test_migrations_pool_and_listener_work_over_verified_tls(secured: Secured) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = asyncio.Event()
    async with tls_front(secured.connect, secured.authority.issue("server")) as port:
        url = secured.url(port)
        await migrate(url)
        database = open_database(url, application_name="botkeys-tests", pool_size=2)
        listener = asyncio.create_task(listen(driver_url(url), heard.put_nowait, listening.set))
        async with asyncio.timeout(30), database.engine.begin() as connection:
            await listening.wait()
            at = await connection.scalar(text("SELECT version_num FROM alembic_version"))
            await connection.execute(text(f"NOTIFY {CHANNEL}, 'changed'"))
        async with asyncio.timeout(30):
            assert await heard.get() == "changed"
        listener.cancel()
        await database.close()

    assert at == head()


async def test_a_client_certificate_is_shown_to_a_server_that_requires_one(
    secured: Secured,
) -> None:
    ours = secured.authority.issue("client")
    certificate = secured.authority.issue("server")
    async with tls_front(secured.connect, certificate, clients=secured.authority) as port:
        with_it = secured.url(port, sslcert=ours.certificate, sslkey=ours.key)
        assert await number(with_it) == 7
        with pytest.raises((DBAPIError, OSError)) as refused:
            await number(secured.url(port))
        assert is_outage(refused.value)


async def test_a_server_that_cannot_prove_itself_is_refused_in_a_sentence(
    secured: Secured,
) -> None:
    stranger = Authority(secured.folder, "stranger")
    for certificate, expected in (
        (stranger.issue("strange"), "unable to get local issuer certificate"),
        (secured.authority.issue("elsewhere", host="127.0.0.2"), "IP address mismatch"),
        (secured.authority.issue("old", end=timedelta(days=-1)), "certificate has expired"),
    ):
        async with tls_front(secured.connect, certificate) as port:
            sentence = await refusal(secured.url(port))
        assert sentence.startswith("The certificate of the database's server is not accepted: ")
        assert expected in sentence


async def test_verify_ca_leaves_the_name_unchecked_and_require_the_authority_too(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(secured.folder))  # the driver looks for ~/.postgresql/root.crt
    elsewhere = secured.authority.issue("elsewhere", host="127.0.0.2")
    async with tls_front(secured.connect, elsewhere) as port:
        assert await number(secured.url(port, sslmode="verify-ca")) == 7
    stranger = Authority(secured.folder, "stranger").issue("strange")
    async with tls_front(secured.connect, stranger) as port:
        plain = secured.url(port).partition("?")[0]
        assert await number(f"{plain}?sslmode=require") == 7


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    authority = Authority(tmp_path, "authority")
    first, second = authority.issue("first"), authority.issue("second")
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("no certificate")
    return {
        "authority": authority.path,
        "certificate": first.certificate,
        "wrong key": second.key,
        "nonsense": nonsense,
        "missing": tmp_path / "missing",
    }


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"sslmode": "verify_full"}, "sslmode in the database's address must be one of disable"),
        ({"sslmode": "verify-full"}, "needs sslrootcert"),
        ({"sslrootcert": "missing"}, "sslrootcert in the database's address names a file that "),
        ({"sslrootcert": "nonsense"}, "without a readable certificate in PEM form: "),
        ({"sslcrl": "nonsense"}, "sslcrl in the database's address names a file without"),
        ({"sslcert": "missing"}, "sslcert in the database's address names a file that does not"),
        ({"sslcert": "certificate", "sslkey": "wrong key"}, "and its private key: "),
        ({"sslcert": "certificate"}, "no sslkey"),
        ({"connect_timeout": "9"}, "connect_timeout in the database's address is not one of"),
        ({"target_session_attrs": "rw"}, "must be one of any, primary, standby, prefer-standby"),
    ],
)
def test_a_wrong_parameter_or_file_is_named_before_anything_connects(
    files: dict[str, Path], parameters: dict[str, str], expected: str
) -> None:
    given = {name: str(files.get(value, value)) for name, value in parameters.items()}

    with pytest.raises(DatabaseAddressError) as refused:
        driver_url(f"postgresql://somebody:hidden@db.test/botkeys?{urlencode(given)}")

    assert expected in str(refused.value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "rest",
    [
        "db.test:port/botkeys",
        "db.test/botkeys?port=abc",
        "/botkeys?host=/a&port=1&port=2",
        "/botkeys?host=/a&host=/b",
        f"{'a' * 64}.test/botkeys",
        f"/botkeys?host={'a' * 64}.test",
    ],
)
def test_an_address_of_another_form_is_refused_without_being_repeated(rest: str) -> None:
    with pytest.raises(DatabaseAddressError) as refused:
        driver_url(f"postgresql://somebody:hidden@{rest}")

    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://somebody@db.test/botkeys",
        "postgresql://somebody@db.test/botkeys?sslmode=require",
        "postgresql://somebody@db.test/botkeys?sslmode=verify-ca&sslrootcert=/ca.pem",
        "postgresql://somebody@127.0.0.1/botkeys",
        "postgresql:///botkeys?host=/run/postgresql,db.test",
        "postgresql:///botkeys",
    ],
)
@pytest.mark.parametrize("setting", ["DATABASE_URL", "DIRECT_DATABASE_URL"])
def test_production_refuses_a_server_that_need_not_prove_itself(
    monkeypatch: pytest.MonkeyPatch, setting: str, address: str
) -> None:
    given = {f"BOTKEYS_{setting}": address}
    monkeypatch.setenv(*next(iter(given.items())))

    with pytest.raises(SettingsError, match=f"^BOTKEYS_{setting} connects over TCP without"):
        load_settings(given)

    monkeypatch.setenv("BOTKEYS_DATABASE_TLS", "any")
    assert load_settings(given).database_tls == "any"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://somebody@db.test/botkeys?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgresql:///botkeys?host=/run/postgresql",
        "postgresql://somebody@%2Frun%2Fpostgresql/botkeys",
    ],
)
def test_production_takes_a_proven_server_and_a_local_socket(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("BOTKEYS_DATABASE_URL", address)

    assert load_settings({"BOTKEYS_DATABASE_URL": address}).database_url is not None
