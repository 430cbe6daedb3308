"""A TCP proxy before a broker's listener: it passes everything on, slowly, or not at all, until it is mended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

_HOST = "127.0.0.1"
_CHUNK = 65_536


class Proxy:
    """Listens at `port`; each connection there goes on to `target`. Runs in a thread of its own until `close`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._delay_s = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._connected, _HOST, 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def hole(self) -> None:
        """From now on nothing passes, in either direction, and nobody is told: connections stay, new ones are taken."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def slow(self, delay_s: float) -> None:
        """From now on each piece of at most 64 KB waits so long."""
        self._delay_s = delay_s

    def cut(self) -> None:
        """Ends all connections at once; new ones pass."""
        self._call(self._cut())

    def mend(self) -> None:
        """Everything passes again, what was held first."""
        self._delay_s = 0.0
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        """Ends everything."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            behind_reader, behind_writer = await asyncio.open_connection(_HOST, self._target)
        except OSError:  # the broker is away: so says the closed connection
            writer.close()
            return
        for source, target in ((reader, behind_writer), (behind_reader, writer)):
            task = self._loop.create_task(self._pump(source, target))
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)
        self._writers |= {writer, behind_writer}

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """One direction; the end of either side ends the other."""
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                await self._open.wait()
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                target.write(data)
                await target.drain()
        target.close()
        self._writers.discard(target)

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._cut()
        for task in list(self._pumps):
            task.cancel()
