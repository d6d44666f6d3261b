"""The quota of files that a process receives at once."""

from app.api.quota import ConcurrencyQuota

IN_ALL = 4
OF_ONE_ACCOUNT = 1

_TOO_MANY = "An account may send one file at a time. Wait until it has arrived."
_BUSY = "The service receives as many files as it can. Try again in a few seconds."


class ImportQuota(ConcurrencyQuota):
    """The quota of imports in a process: each keeps a processor busy while its file arrives."""

    def __init__(self) -> None:
        super().__init__(IN_ALL, OF_ONE_ACCOUNT, too_many=_TOO_MANY, busy=_BUSY)
