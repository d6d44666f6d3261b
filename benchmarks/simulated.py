"""Runs the simulated exchanges in a process of their own, as slow as real ones, until asked to end.

It prints their addresses as one line of JSON, then waits for the end of its standard input.
"""

import asyncio
import json
import sys

from app.simulator import FaultKind, Simulator

LATENCY = 0.2
"""Seconds that each response takes: about as long as a call across a continent."""


async def main() -> None:
    async with Simulator() as simulator:
        for exchange, environments in simulator.hosts.items():
            for environment in environments:
                simulator.faults.set(exchange, environment, FaultKind.SLOW, seconds=LATENCY)
        print(json.dumps(simulator.hosts), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
