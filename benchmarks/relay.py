"""A bare relay before a server: `python -m benchmarks.relay ADDRESS`.

It passes requests on over a connection of its own for each client, as they are. Prints where it is
as one line of JSON, then waits for the end of its standard input.
"""

import asyncio
import json
import sys
from functools import partial
from urllib.parse import urlsplit


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Read one request or response with a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length))


async def _pass_on(
    host: str, port: int, client: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    server, forth = await asyncio.open_connection(host, port)
    try:
        while True:
            forth.write(await _message(client))
            back.write(await _message(server))
    except asyncio.IncompleteReadError:
        return  # the client closed its connection
    finally:
        forth.close()
        back.close()


async def main() -> None:
    where = urlsplit(sys.argv[1])
    if where.hostname is None or where.port is None:
        raise SystemExit("an address with a port is needed")
    passing_on = partial(_pass_on, where.hostname, where.port)
    async with await asyncio.start_server(passing_on, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        print(json.dumps({"address": f"http://127.0.0.1:{port}"}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
