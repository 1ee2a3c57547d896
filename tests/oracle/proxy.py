"""A TCP relay before the mail server that cuts, stalls, chops and counts what passes."""
from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import socket
import struct
import threading
import time

from rig.process import HOST

CHUNK = 64 * 1024
CHOPPED = 400  # bytes of one read that pass one by one; the rest follows at once


class Link:
    """One connection through the proxy: the two writers."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter, number: int) -> None:
        self.client, self.server, self.number = client, server, number

    def cut(self, hard: bool) -> None:
        for writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                if hard and sock is not None:  # a reset instead of an orderly end
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort() if hard else writer.close()


class Proxy:
    """The members until `up` are set by the test thread and read by the relay."""

    def __init__(self, target: int, forbidden: tuple[bytes, ...] = ()) -> None:
        self.target, self.forbidden = target, forbidden
        self.stall_until = self.chop_until = self.refuse_until = 0.0
        self.cut_after: int | None = None  # bytes from the server until every connection is cut
        self.up = self.down = self.connections = 0
        self.violations: list[str] = []
        self.traffic: collections.deque[tuple[float, int, str, bytes]] = collections.deque(maxlen=6000)
        self.links: set[Link] = set()
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of writes to connections that were cut
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    # --- for the test thread ---

    def cut(self, hard: bool = True) -> None:
        self.loop.call_soon_threadsafe(self._cut, hard)

    def heal(self) -> None:
        self.stall_until = self.chop_until = self.refuse_until = 0.0
        self.cut_after = None

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._stop)
        self.thread.join(10)

    def transcript(self, last: int = 400) -> str:
        return "\n".join(f"{at:.3f} #{number} {way} {data[:4000]!r}" for at, number, way, data in list(self.traffic)[-last:])

    # --- in the loop ---

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, HOST, 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.05))
        self.loop.close()

    def _stop(self) -> None:
        self._cut(True)
        self.loop.stop()

    def _cut(self, hard: bool) -> None:
        for link in list(self.links):
            link.cut(hard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if time.monotonic() < self.refuse_until:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        link = Link(writer, server_writer, self.connections)
        self.links.add(link)
        for w in (writer, server_writer):
            w.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.gather(self._pump(link, reader, server_writer, ">"), self._pump(link, server_reader, writer, "<"))
        finally:
            self.links.discard(link)
            link.cut(False)

    async def _pump(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                self._note(link, way, data)
                while time.monotonic() < self.stall_until:
                    await asyncio.sleep(0.01)
                if way == "<" and self.cut_after is not None:
                    data, whole = data[:self.cut_after], len(data)
                    self.cut_after -= len(data)
                    if len(data) < whole:
                        writer.write(data)
                        await writer.drain()
                        self.cut_after = None
                        self._cut(False)
                        return
                await self._send(writer, data)
        writer.close()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        at = 0
        while at < min(len(data), CHOPPED) and time.monotonic() < self.chop_until:
            writer.write(data[at:at + 1])
            at += 1
            await asyncio.sleep(0)
        writer.write(data[at:])
        await writer.drain()

    def _note(self, link: Link, way: str, data: bytes) -> None:
        self.traffic.append((time.time(), link.number, way, data))
        if way == "<":
            self.down += len(data)
            return
        self.up += len(data)
        for word in self.forbidden:
            if word in data.upper():
                self.violations.append(f"{word.decode()} was used although the server does not offer it: {data[:200]!r}")
