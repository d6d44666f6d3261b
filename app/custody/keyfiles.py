"""The folder of key files (`BOTKEYS_KEYS_DIR`), and which role may hold which file."""

import re
import secrets
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path
from typing import Literal

from app.custody import files, keyformat
from app.custody.contents import Content, contents
from app.custody.errors import (
    KeyFileMissing,
    KeyNotUnwrapped,
    KeyPairMismatch,
    KeyStillWrapped,
)
from app.custody.master_key import MasterPrivateKey, MasterPublicKey
from app.custody.mounts import is_platform_mount
from app.custody.wrapping.wrapped import SeedBinding, Unwrap, WrappedSeed, Wrapping
from botkeys.sealing.boxes import SecretBytes, wipe
from botkeys.sealing.suites import SEED_BYTES

Wrap = Callable[[SecretBytes, SeedBinding], WrappedSeed]
"""Wraps a seed and returns it wrapped once unwrapping it has given the same; raises WrapperFailed.
"""

Role = Literal["api", "runtime", "webhooks", "all"]


class KeyKind(StrEnum):
    """The kinds of keys in the folder. All but `MASTER` are also file names."""

    MASTER = "master"  # master-0001.private, master-0001.public, and so on
    TOKEN_HMAC = "token-hmac"  # for bot tokens: runtime only
    FINGERPRINT_HMAC = "fingerprint-hmac"  # for duplicate keys: api only
    AUDIT_HMAC = "audit-hmac"  # for the audit chain: both
    WEBHOOK = "webhook-key"  # for webhooks: api, and the worker that sends them
    DEVELOPMENT_ISSUER = "development-issuer"  # for development's issuer; opaque here


SECRETS = frozenset(
    {KeyKind.TOKEN_HMAC, KeyKind.FINGERPRINT_HMAC, KeyKind.AUDIT_HMAC, KeyKind.WEBHOOK}
)
"""The kinds of 32 random bytes in a file of their own."""

_MASTER_NAME = re.compile(r"master-(\d{4,})\.(private|public)")


_FORBIDDEN: dict[Role, frozenset[Content]] = {
    "api": frozenset(
        {
            Content.MASTER_PRIVATE,
            Content.TOKEN_HMAC,
            Content.PRIVATE_KEY,
            Content.UNKNOWN,
        }
    ),
    "runtime": frozenset(
        {Content.FINGERPRINT_HMAC, Content.WEBHOOK, Content.PRIVATE_KEY, Content.UNKNOWN}
    ),
    "webhooks": frozenset(Content) - {Content.WEBHOOK, Content.MASTER_PUBLIC},
    "all": frozenset({Content.PRIVATE_KEY}),
}


class KeyFolder:
    """The folder of key files. Every read checks modes and owners; no file is ever overwritten.

    All methods raise the matching KeyFileError of `app.custody.errors`. `unwrap` is asked for the
    seeds of wrapped private keys, each once.
    """

    def __init__(self, path: Path, unwrap: Unwrap | None = None) -> None:
        self.path = path
        self._unwrap = unwrap
        # So that a change of one file does not make every other one be unwrapped again.
        self._unwrapped: dict[WrappedSeed, MasterPrivateKey] = {}

    def create_missing(self, kinds: Collection[KeyKind]) -> None:
        """Create the folder and those of `kinds` it lacks; concurrent processes get equal keys."""
        files.create_folder(self.path)
        files.sweep(self.path)
        for kind in kinds:
            if kind is KeyKind.MASTER:
                self._create_missing_masters()
            elif kind in SECRETS:
                self._create_missing_secret(kind)
            else:
                raise ValueError(f"{kind} is made by its owner: use create_opaque")

    def read_secret(self, kind: KeyKind) -> SecretBytes:
        """Return one of the secrets, 32 bytes."""
        path = self._secret_path(kind)
        files.check_folder(self.path)
        return keyformat.decode_secret(path, files.read(path, private=True), kind)

    def read_opaque(self, kind: KeyKind) -> SecretBytes:
        """Return the raw content of a private file whose format only its owner knows."""
        files.check_folder(self.path)
        return files.read(self.path / kind, private=True)

    def create_opaque(self, kind: KeyKind, content: bytes) -> SecretBytes:
        """Publish `content` unless another process was first; return what the file holds then."""
        files.create_folder(self.path)
        files.publish(self.path / kind, SecretBytes(content))
        return self.read_opaque(kind)

    def load_public_master_keys(self) -> dict[int, MasterPublicKey]:
        """Return the public keys by version, each compared with its private half if present.

        A wrapped private half is not unwrapped for that: its file names its public half.
        """
        private = {version: self._half(version) for version in self._versions("private")}
        return {
            version: self._load_public(version, private.get(version))
            for version in self._versions("public")
        }

    def load_private_master_keys(self, *, wait: bool = True) -> dict[int, MasterPrivateKey]:
        """Return the private keys by version, each compared with its public half if present.

        Unwrapping takes seconds. Without `wait`, a key that was not unwrapped before raises
        KeyStillWrapped.
        """
        private = {}
        for version in self._versions("private"):
            private[version] = self._load_private(version, wait=wait)
        for version in self._versions("public"):
            if version in private:
                self._load_public(version, private[version].public)
        held = {id(key) for key in private.values()}
        self._unwrapped = {
            wrapped: key for wrapped, key in list(self._unwrapped.items()) if id(key) in held
        }
        return private

    def create_master_key(self, wrap: Wrap | None = None) -> int:
        """Create a new pair and return its version: one above every half that is present.

        The private half is on disk before the public one becomes visible, so nothing is ever sealed
        to a lost key. With `wrap`, its seed is never on a disk in clear.
        """
        files.create_folder(self.path)
        while True:
            newest = max((*self._versions("private"), *self._versions("public")), default=0)
            if self._publish_private(newest + 1, wrap):
                self._publish_public(newest + 1)
                return newest + 1

    def wrappings(self) -> dict[int, Wrapping | None]:
        """Return how each private key is wrapped, by version; `None` if its seed is in clear."""
        found: dict[int, Wrapping | None] = {}
        for version in self._versions("private"):
            half = self._half(version)
            found[version] = half.wrapping if isinstance(half, WrappedSeed) else None
        return found

    def rewrap(self, versions: Collection[int], wrap: Wrap) -> None:
        """Replace these private key files by wrapped ones, once all of them have been wrapped.

        Each is replaced in one step, and none that changed in the meantime.
        """
        with files.locked_folder(self.path):
            replacements = []
            for version in versions:
                path = self._master_path(version, "private")
                before = files.read(path, private=True)
                with self._seed(version, path, before) as seed:
                    public = MasterPrivateKey(version, seed.reveal()).public
                    wrapped = wrap(seed, SeedBinding(version, public.fingerprint))
                replacements.append((path, before, keyformat.encode_wrapped(wrapped)))
            for path, before, content in replacements:
                files.replace(path, before, content)

    def role_violations(
        self, role: Role, *, development: bool = False, others: Collection[Path] = ()
    ) -> list[str]:
        """Return the files that a process of this role must not be able to read, with reasons.

        Files are judged by content, and by name as well, for those that this process cannot read.
        Drafts count like the files that they would have become. All roles but `all` have
        nothing but their own key files, and `others`, the files of secret settings: systemd has
        one folder for all credentials. Only development has a key of its issuer. Raises
        KeyFileUnusable for a subfolder, KeyFileExposed for a file of another user.
        """
        files.check_folder(self.path)
        forbidden = _FORBIDDEN[role]
        violations = []
        for path in self._entries():
            held = contents(path)
            if path in others:
                held -= {Content.UNKNOWN}
            if path.name == KeyKind.DEVELOPMENT_ISSUER:
                held = held - {Content.UNKNOWN} | {Content.PRIVATE_KEY}
                if development:
                    held -= {Content.PRIVATE_KEY}
            elif role == "all" and development:
                continue
            wrong = sorted((held | _by_name(path.name)) & forbidden)
            if wrong:
                violations.append(f"{path.name} ({', '.join(wrong)})")
        return violations

    def _entries(self) -> list[Path]:
        """Return what the folder holds, with the files behind the links of Kubernetes' volumes.

        There each file is a link through `..data` to a folder whose name is a time, and both
        change at once with the secret.
        """
        entries = files.names(self.path)
        if not is_platform_mount(self.path):
            return entries
        found = []
        for path in entries:
            if not path.name.startswith(".."):
                found.append(path)
            elif path.is_dir() and not path.is_symlink():
                found += files.names(path)
        return found

    def _create_missing_masters(self) -> None:
        # The order matters: a private half is published first, so none can seem to be missing.
        public = self._versions("public")
        private = self._versions("private")
        if not private and not public:
            self._publish_private(1)
            private = [1]
        if max(public, default=0) > max(private, default=0):
            # A new pair would start without error, yet everything sealed to the old one could never
            # be opened again.
            raise KeyFileMissing(
                self._master_path(max(public), "private"),
                "is missing, but its public half exists. Restore it from a backup.",
            )
        for version in set(private) - set(public):
            self._publish_public(version)
        self.load_public_master_keys()

    def _create_missing_secret(self, kind: KeyKind) -> None:
        content = bytearray(secrets.token_bytes(keyformat.SECRET_BYTES))
        path = self._secret_path(kind)
        if not path.exists():
            files.publish(path, keyformat.encode_secret(kind, content))
        wipe(content)
        self.read_secret(kind)

    def _secret_path(self, kind: KeyKind) -> Path:
        if kind not in SECRETS:
            raise ValueError(f"{kind} is not a secret of this format")
        return self.path / kind

    def _master_path(self, version: int, half: str) -> Path:
        return self.path / f"master-{version:04}.{half}"

    def _versions(self, half: str) -> list[int]:
        files.check_folder(self.path)
        found = (_MASTER_NAME.fullmatch(entry.name) for entry in files.names(self.path))
        return sorted(int(match[1]) for match in found if match and match[2] == half)

    def _half(self, version: int) -> MasterPublicKey | WrappedSeed:
        """Return what a private key's file says about its public half, without unwrapping it."""
        path = self._master_path(version, "private")
        content = files.read(path, private=True)
        wrapped = keyformat.decode_wrapped(path, content, version)
        if wrapped is not None:
            return wrapped
        with keyformat.decode_seed(path, content, version) as seed:
            return MasterPrivateKey(version, seed.reveal()).public

    def _load_private(self, version: int, *, wait: bool = True) -> MasterPrivateKey:
        path = self._master_path(version, "private")
        content = files.read(path, private=True)
        wrapped = keyformat.decode_wrapped(path, content, version)
        if wrapped is None:
            with keyformat.decode_seed(path, content, version) as seed:
                return MasterPrivateKey(version, seed.reveal())
        held = self._unwrapped.get(wrapped)
        if held is not None:
            return held
        if not wait:
            raise KeyStillWrapped(path, "is being unwrapped.")
        with self._seed(version, path, content) as seed:
            key = self._unwrapped[wrapped] = MasterPrivateKey(version, seed.reveal())
        return key

    def _seed(self, version: int, path: Path, content: SecretBytes) -> SecretBytes:
        wrapped = keyformat.decode_wrapped(path, content, version)
        if wrapped is None:
            return keyformat.decode_seed(path, content, version)
        if self._unwrap is None:
            raise KeyNotUnwrapped(path, wrapped.wrapping.text, "This process unwraps no keys.")
        return keyformat.unwrapped(path, wrapped, self._unwrap)

    def _load_public(
        self, version: int, private: MasterPublicKey | WrappedSeed | None
    ) -> MasterPublicKey:
        path = self._master_path(version, "public")
        key = keyformat.decode_master_public(path, files.read(path, private=False), version)
        match private:
            case None:
                return key
            case MasterPublicKey():
                same = private.raw == key.raw
            case WrappedSeed():
                same = private.binding.fingerprint == key.fingerprint
        if not same:
            raise KeyPairMismatch(
                path, f"is not the public half of {self._master_path(version, 'private').name}."
            )
        return key

    def _publish_private(self, version: int, wrap: Wrap | None = None) -> bool:
        seed = SecretBytes(secrets.token_bytes(SEED_BYTES))
        path = self._master_path(version, "private")
        with seed:
            public = MasterPrivateKey(version, seed.reveal()).public
            if wrap is None:
                content = keyformat.encode_master_private(seed.reveal(), public)
            else:
                wrapped = wrap(seed, SeedBinding(version, public.fingerprint))
                content = keyformat.encode_wrapped(wrapped)
            return files.publish(path, content)

    def _publish_public(self, version: int) -> None:
        # Derived from the file, not from memory: another process may have been first.
        public = self._load_private(version).public
        files.publish(self._master_path(version, "public"), keyformat.encode_master_public(public))


def _by_name(name: str) -> set[Content]:
    """Return what a file of this name should hold."""
    parts = {
        ".private": Content.MASTER_PRIVATE,
        KeyKind.TOKEN_HMAC: Content.TOKEN_HMAC,
        KeyKind.FINGERPRINT_HMAC: Content.FINGERPRINT_HMAC,
        KeyKind.WEBHOOK: Content.WEBHOOK,
    }
    return {content for part, content in parts.items() if part in name}
