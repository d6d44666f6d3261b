"""Run as a script: become another user, ask to die with the parent, then exec the given program.

    launch.py <parent's pid> <uid or -> <gid or -> <program> [argument …]

It is a separate script because the steps between fork and exec are not safe in a process with
threads. It imports nothing of the project and is started with `-I -S`.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_EXECUTE = 126


def main(arguments: list[str]) -> int:
    parent, uid, gid, *program = arguments
    os.umask(0o077)
    os.chdir("/")
    # A job started in the background or under nohup inherits ignored signals.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    # Set after the change of user, which clears it. SIGINT is PostgreSQL's fast shutdown.
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT) != 0:
        return CANNOT_EXECUTE
    if os.getppid() != int(parent):
        return CANNOT_EXECUTE
    try:
        os.execv(program[0], program)  # noqa: S606  # no shell, on purpose
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error.strerror}\n")
        return CANNOT_EXECUTE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
