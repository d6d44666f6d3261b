"""The development issuer: in development the service signs its users' tokens itself."""

import fcntl
import json
import os
import stat
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from app.auth.key_sets import FixedKeys
from app.auth.principal import is_account_name
from app.auth.scopes import USER_SCOPES, exact_scopes, in_order

ISSUER = "botkeys-development"
AUDIENCE = "botkeys"
ALGORITHM = "ES256"
KEY_FILE = "development-issuer"

_CURVE = "P-256"
_LIFETIME = timedelta(hours=12)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# A P-256 key as a JWK takes about 250 bytes.
_MAX_FILE_BYTES = 4096


class UnusableIssuerKey(Exception):
    """The key file holds no usable key, or others can read it. The message says what to do."""


class DevelopmentIssuer:
    """The signer of development tokens, with the private JWK in `keys_dir`/development-issuer.

    The key is created on first use. `keys` is for a `TokenVerifier` of the same issuer, audience
    and algorithm. Raises `UnusableIssuerKey` if the file exists but cannot be used.
    """

    issuer = ISSUER
    audience = AUDIENCE
    algorithms = (ALGORITHM,)

    def __init__(self, keys_dir: Path) -> None:
        self._key = _load_or_create(keys_dir)
        public = ECKey.import_key(self._key.as_dict(private=False))
        self.keys = FixedKeys([public])

    def token(
        self,
        account: str,
        scopes: str | Iterable[str] = USER_SCOPES,
        lifetime: timedelta = _LIFETIME,
        now: float | None = None,
    ) -> str:
        """Return a JWT for the account (its `sub`), or, with the scope `act_as`, for a service.

        `now` is in seconds since 1970. Raises `UnknownScopes`, and `ValueError` for a name that no
        account can have.
        """
        if not is_account_name(account):
            raise ValueError("an account name must be 1 to 255 visible characters")
        issued_at = int(time.time() if now is None else now)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account,
            "scope": in_order(exact_scopes(scopes)),
            "iat": issued_at,
            "exp": issued_at + int(lifetime.total_seconds()),
            "jti": uuid4().hex,
        }
        header = {"alg": ALGORITHM, "kid": self._key.thumbprint()}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])


def _load_or_create(folder: Path) -> ECKey:
    """Return the key; the first process creates it, the others wait on a lock on the folder."""
    path = folder / KEY_FILE
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not path.exists():
                _create(folder, path)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return _load(path)


def _create(folder: Path, path: Path) -> None:
    """Write the key under a temporary name and rename it, so that nobody reads half a file."""
    key = ECKey.generate_key(_CURVE, auto_kid=True)
    draft = folder / f"{KEY_FILE}.new"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(key.as_dict(private=True), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _load(path: Path) -> ECKey:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise UnusableIssuerKey(f"{path} cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_mode & _OTHERS:
            raise UnusableIssuerKey(
                f"{path} must be a file that only its owner can read: chmod 600"
            )
        text = file.read(_MAX_FILE_BYTES)
    try:
        key = ECKey.import_key(json.loads(text))
        usable = key.is_private and key.curve_name == _CURVE
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise UnusableIssuerKey(f"{path} holds no private {_CURVE} key: delete it to get a new one")
    key.ensure_kid()
    return key
