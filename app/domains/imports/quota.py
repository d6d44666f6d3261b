"""The quota of files that a process receives at once."""

from app.api.quota import ConcurrencyQuota
from app.domains.imports.errors import ImportInProgress

IN_ALL = 4
OF_ONE_ACCOUNT = 1

_BUSY = "The service receives as many files as it can. Try again in a few seconds."


class ImportQuota(ConcurrencyQuota):
    """The quota of imports in a process: each keeps a processor busy while its file arrives.

    An account that sends a second file gets the answer that every other process would give it.
    """

    def __init__(self) -> None:
        super().__init__(IN_ALL, OF_ONE_ACCOUNT, too_many=ImportInProgress, busy=_BUSY)
