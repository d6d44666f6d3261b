"""The wrapper `command`: a program of the operator's, named by the settings, without a shell."""

import json
import os
import shlex
import signal
import subprocess
from contextlib import suppress

from app.custody.wrapping.wrapped import (
    LONGEST_WRAPPED,
    SeedBinding,
    WrappedSeed,
    WrapperFailed,
)
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.suites import SEED_BYTES

TIMEOUT_SECONDS = 10.0
_OURS = "BOTKEYS_"


def arguments(text: str) -> list[str]:
    """Return the program and its arguments: a JSON list, or words quoted as for a shell.

    Raises ValueError.
    """
    found = json.loads(text) if text.lstrip().startswith("[") else shlex.split(text)
    if not found or not all(isinstance(word, str) and "\0" not in word for word in found):
        raise ValueError("must be a command: a JSON list of texts, or words")
    return list(found)


class CommandWrapper:
    """Gives a program wrapped bytes on its standard input and takes the seed from its output.

    The program inherits the environment, but none of the service's own variables. It gets
    version and fingerprint of the master key.
    """

    def __init__(self, unwrap: str | None, wrap: str | None) -> None:
        self._unwrap = unwrap
        self._wrap = wrap

    def wrap(self, seed: SecretBytes, names: tuple[str, ...], binding: SeedBinding) -> bytes:
        del names
        with _output(self._wrap, "BOTKEYS_WRAP_COMMAND", seed, binding) as wrapped:
            if not 0 < len(wrapped.reveal()) <= LONGEST_WRAPPED:
                raise WrapperFailed(
                    f"BOTKEYS_WRAP_COMMAND printed {len(wrapped.reveal())} bytes; a wrapped key "
                    f"has 1 to {LONGEST_WRAPPED}."
                )
            return bytes(wrapped.reveal())

    def unwrap(self, wrapped: WrappedSeed) -> SecretBytes:
        content = SecretBytes(wrapped.content)
        seed = _output(self._unwrap, "BOTKEYS_UNWRAP_COMMAND", content, wrapped.binding)
        if len(seed.reveal()) != SEED_BYTES:
            length = len(seed.reveal())
            seed.wipe()
            raise WrapperFailed(
                f"BOTKEYS_UNWRAP_COMMAND printed {length} bytes instead of {SEED_BYTES}."
            )
        return seed


def _output(
    command: str | None, variable: str, content: SecretBytes, binding: SeedBinding
) -> SecretBytes:
    if command is None:
        raise WrapperFailed(f"{variable} is not set.")
    inherited = {k: v for k, v in os.environ.items() if not k.upper().startswith(_OURS)}
    try:
        process = subprocess.Popen(  # noqa: S603  # the operator's own program, without a shell
            arguments(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it may hold anything, the seed included
            env={
                **inherited,
                "MASTER_KEY_VERSION": str(binding.version),
                "MASTER_KEY_FINGERPRINT": binding.fingerprint,
            },
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a command"
        raise WrapperFailed(f"{variable} cannot be started ({reason}).") from None
    late = False
    try:
        printed, _ = process.communicate(
            content.reveal(),  # type: ignore[arg-type]  # it takes any buffer
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        late, printed = True, b""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started may hold its output open
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
    if late:
        raise WrapperFailed(
            f"{variable} did not end within {TIMEOUT_SECONDS:g} s and was stopped.", temporary=True
        )
    if process.returncode != 0:
        raise WrapperFailed(f"{variable} ended with status {process.returncode}.", temporary=True)
    return SecretBytes(printed)
