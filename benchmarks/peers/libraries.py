"""What bots do without a server: hummingbot's encrypted files, and plain files of keys."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.load import Measured
from benchmarks.peers import in_process
from benchmarks.peers.candidate import Candidate, Memory, Protection, Skipped
from benchmarks.peers.installing import install, python_of
from benchmarks.peers.load import Ran, load_program
from benchmarks.rounds import Effort

_KEYFILE = Protection(
    at_rest="AES-128-CTR under a password that someone types at each start (PBKDF2, a million "
    "iterations): a stolen file opens nothing if the password is strong",
    in_memory="the bot's process holds the password and all values in plain while it runs",
    audit="none",
)
_PLAIN = Protection(
    at_rest="the mode of the file, if that: anyone who reads the disk or a copy of it has the keys",
    in_memory="the bot's process holds all keys of the file in plain",
    audit="none",
)


@contextmanager
def keyfile(folder: Path) -> Iterator[list[Candidate]]:
    """Yield the opening of one value; hummingbot itself is not installed, its format is.

    Its `ETHKeyFileSecretManger` hands what it stored to eth_account, which is what runs here.
    """
    if reason := install("keyfile"):
        raise Skipped(reason)
    folder.mkdir()
    command = [str(python_of("keyfile")), in_process.__file__, "keyfile", str(folder)]
    yield [_candidate("hummingbot's keyfile", "open one value", _KEYFILE, command)]


@contextmanager
def plain_file(folder: Path) -> Iterator[list[Candidate]]:
    """Yield the reading of a JSON file with keys, as passivbot and freqtrade do at a start."""
    folder.mkdir()
    command = [sys.executable, in_process.__file__, "plain-file", str(folder)]
    what = f"read and parse {in_process.KEYS} keys"
    yield [_candidate("api-keys.json", what, _PLAIN, command)]


def _candidate(peer: str, what: str, protection: Protection, command: Sequence[str]) -> Candidate:
    ran: list[Ran] = []

    def measure(effort: Effort) -> Measured:
        ran.append(load_program(command, effort))
        return ran[-1].measured

    def memory() -> Memory:
        needed = median(one.resident_mib for one in ran)
        return Memory(needed, needed)

    def note() -> str:
        return f"a lone call: {median(one.alone_ms for one in ran):.3g} ms"

    return Candidate(peer, what, "reads only, no server", protection, measure, memory, note=note)
