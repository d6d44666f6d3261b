"""The folder of key files: which are there, who may read them, whether they are whole."""

import os
from collections.abc import AsyncIterator

from app.commands.doctor.blocking import in_thread
from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.part import Part, Subject
from app.custody.errors import KeyFileMissing
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import ReleasingKeyring, SealingKeyring
from app.custody.role_keys import ApiKeys, RuntimeKeys
from app.custody.wrapping.wrappers import Wrappers
from app.settings import Role, secret_files
from botkeys.sealing.errors import SealingError

NAME = "keys"


async def look(subject: Subject) -> AsyncIterator[Finding]:
    role, settings = subject.role, subject.settings
    folder = KeyFolder(settings.keys_folder, Wrappers(settings).unwrap)
    if role is None:
        async for finding in _of_worker(subject, folder):
            yield finding
        return
    if subject.in_development and role is Role.ALL and not folder.path.exists():
        yield ok(NAME, f"{folder.path} does not exist yet: the first start creates it.")
        return
    try:
        violations = await in_thread(
            lambda: folder.role_violations(
                role.value,
                development=subject.in_development,
                others=secret_files(os.environ),
            )
        )
        if violations:
            yield fault(
                NAME,
                f"The role {role} must not be able to read {', '.join(violations)} in "
                f"{folder.path}.",
                "Give each role a folder of its own (docs/deployment.md).",
            )
        api, runtime = await in_thread(lambda: held(folder, role))
        await in_thread(lambda: folder.read_secret(KeyKind.AUDIT_HMAC))
        has_webhooks = api is None or await in_thread(lambda: _has_webhook_key(folder))
    except SealingError as error:
        yield fault(NAME, str(error), "docs/deployment.md lists the files of each role.")
        return
    versions = sorted(
        {
            *(api.sealing.fingerprints if api is not None else ()),
            *(runtime.releasing.fingerprints if runtime is not None else ()),
        }
    )
    listed = ", ".join(map(str, versions))
    if len(versions) > 1:
        yield ok(NAME, f"{folder.path} holds the master keys {listed}, and the HMAC keys.")
    else:
        yield ok(NAME, f"{folder.path} holds master key {listed}, and the HMAC keys.")
    if not has_webhooks:
        yield warning(
            NAME,
            f"{folder.path} has no webhook-key, so there are no webhooks.",
            "Create it with `botkeys master-key create --only webhook-key` (docs/webhooks.md).",
        )
    if not subject.in_development and folder.path.parent == subject.settings.data_dir:
        yield warning(
            NAME,
            "BOTKEYS_KEYS_DIR is not set, so keys are read from the data folder.",
            "Set it to this role's folder.",
        )


async def _of_worker(subject: Subject, folder: KeyFolder) -> AsyncIterator[Finding]:
    if subject.part not in {Part.WORKER, Part.WEBHOOKS}:
        yield ok(NAME, "This process needs none.")
        return
    try:
        has_key = await in_thread(lambda: _has_webhook_key(folder))
        violations = (
            await in_thread(lambda: folder.role_violations("webhooks"))
            if has_key and subject.part is Part.WEBHOOKS
            else []
        )
    except SealingError as error:
        yield fault(NAME, str(error), "docs/deployment.md lists the files of each process.")
        return
    advice = "Copy it there, or create it with `botkeys master-key create --only webhook-key`."
    if violations:
        yield fault(
            NAME,
            f"The worker that sends webhooks must not be able to read {', '.join(violations)} in "
            f"{folder.path}.",
            "Give it a folder of its own (docs/deployment.md).",
        )
    elif has_key:
        yield ok(NAME, f"{folder.path} holds the key of webhooks.")
    elif subject.part is Part.WEBHOOKS:
        yield fault(NAME, f"{folder.path} has no webhook-key, which this process needs.", advice)
    else:
        yield warning(NAME, f"{folder.path} has no webhook-key: no webhooks are sent.", advice)


def _has_webhook_key(folder: KeyFolder) -> bool:
    try:
        folder.read_secret(KeyKind.WEBHOOK)
    except KeyFileMissing:
        return False
    return True


def held(folder: KeyFolder, role: Role) -> tuple[ApiKeys | None, RuntimeKeys | None]:
    """Return the keys of a role as a process would hold them; raise `SealingError`."""
    api = runtime = None
    if role in {Role.ALL, Role.API}:
        api = ApiKeys(SealingKeyring(folder), folder.read_secret(KeyKind.FINGERPRINT_HMAC))
    if role in {Role.ALL, Role.RUNTIME}:
        runtime = RuntimeKeys(ReleasingKeyring(folder), folder.read_secret(KeyKind.TOKEN_HMAC))
    return api, runtime
