"""Run as a script: become another user and ask the server for a session.

    stranger_process.py <uid> <gid> <socket> <role>

It prints "unreachable", "let in", or the five characters of the server's error (SQLSTATE).
"""

import os
import socket
import struct
import sys


def main() -> str:
    uid, gid, path, role = sys.argv[1:]
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except PermissionError:
            return "unreachable"
        options = f"user\0{role}\0database\0botkeys\0\0".encode()
        # Length, protocol 3.0, options: the StartupMessage of the frontend/backend protocol.
        connection.sendall(struct.pack("!II", 8 + len(options), 3 << 16) + options)
        kind, _, *fields = connection.recv(4096).partition(b"C")
    if kind[:1] == b"R":
        return "let in"
    return fields[0][:5].decode()


if __name__ == "__main__":
    sys.stdout.write(main())
