"""The command `botkeys`, and `python -m app`."""

import signal


def main() -> None:
    """Have Ctrl-C end the process without a word before anything else is imported.

    Python's own handler would show a traceback of whatever is being imported at that moment.
    Commands that have something to bring to an end set handlers of their own.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from app.cli import main as run  # noqa: PLC0415  # see above

    run()


if __name__ == "__main__":
    main()
