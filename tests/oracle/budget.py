"""What quiet costs: nothing in Redis (I11), and few bytes on the way to the mail server (I12)."""
from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

from rig.process import wait_until

from check import Checker
from index import NotNow
from ops import Ops
from wire import encode_name
from world import USER, World

WRITING = frozenset(("SET", "SETEX", "SETNX", "DEL", "UNLINK", "RENAME", "HSET", "HDEL", "HSETNX", "HINCRBY", "XADD", "XTRIM",
                     "XDEL", "SADD", "SREM", "INCR", "INCRBY", "EXPIRE", "PEXPIRE", "RPUSH", "ZADD", "ZREM"))
COMMAND = re.compile(rb'^\+\S+ \[\d+ [^\]]*\] "([^"]*)"(?: "((?:[^"\\]|\\.)*)")?')
LEASES = (":lease", ":epoch")
IDLE_ROUNDS = 4
ROUND_BYTES = 200  # of a listing with nothing to tell, per mailbox
# Both ways, for INBOX, in bytes. Content that a webhook wants comes on top of an arrival's row.
CHANGES = {"flag": 300, "arrival": 2048, "delete": 4096}


class Monitor:
    """The writes that Redis carries out, but for leases."""

    def __init__(self, world: World) -> None:
        self.client = world.redis.client()
        self.client("MONITOR")

    def writes(self, seconds: float, ignored: tuple[str, ...] = ()) -> list[str]:
        end, out = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            self.client.sock.settimeout(left)
            try:
                line = self.client.file.readline()
            except (TimeoutError, socket.timeout):
                break
            m = COMMAND.match(line)
            if m is None or m[1].decode().upper() not in WRITING:
                continue
            key = (m[2] or b"").decode("utf-8", "replace")
            if not key.endswith(LEASES) and not any(part in key for part in ignored):
                out.append(f"{m[1].decode()} {key}")
        return out

    def close(self) -> None:
        self.client.close()


def idle_writes(world: World, reconnect: bool) -> list[str]:
    """Has everything compared again although nothing changed; tells what was written (I11).

    Work that follows a change in the background (threads of older messages) may end first: what
    a comparison itself writes, it writes each time.
    """
    found: list[str] = []
    for _ in range(IDLE_ROUNDS):
        found = idle_round(world, reconnect)
        if not found:
            break
    return found


def idle_round(world: World, reconnect: bool) -> list[str]:
    monitor = Monitor(world)
    try:
        if reconnect:
            world.daemon.put(f"/v1/account/{USER}/reconnect", {"reconnect": True})
        else:
            world.daemon.put(f"/v1/account/{USER}/sync", {"sync": True})
        # The state of the account, which a reconnection passes through, is not the index.
        found = monitor.writes(2.5, (":a:",) if reconnect else ())
    finally:
        monitor.close()
    what = "reconnecting" if reconnect else "syncing"
    return [f"idle: {what} without a change wrote {w}" for w in found]


def round_bytes(world: World, checker: Checker) -> tuple[float, list[str]]:
    """Bytes of listings while nothing happens, per mailbox and round. Other connections may fetch what threads of older
    messages need."""
    at = time.time()
    time.sleep(3.2)
    seen = [(session, way, data) for t, session, way, data in list(world.proxy.traffic) if t >= at]
    listing = {session for session, way, data in seen if way == ">" and b" LIST " in data}
    moved = sum(len(data) for session, _, data in seen if session in listing)
    rounds = sum(1 for _, way, data in seen if way == ">" and b" LIST " in data)
    each = moved / max(1, rounds) / max(1, len(checker.truth))
    over = [f"idle: a round costs {each:.0f} bytes a mailbox"] if rounds and each > ROUND_BYTES else []
    return each, over


def _cost(world: World, change: Callable[[], None], done: Callable[[], bool]) -> int:
    """Bytes from a change until it is seen, with no round of listing in between."""
    proxy = world.proxy
    for _ in range(8):
        _after_a_round(world)
        before, at = proxy.up + proxy.down, time.time()
        change()
        wait_until(done, 10, "the change is seen")
        time.sleep(0.05)
        cost = proxy.up + proxy.down - before
        if not any(t >= at and b" LIST " in data for t, _, way, data in list(proxy.traffic) if way == ">"):
            return cost
    raise AssertionError("every change fell together with a listing")


def _after_a_round(world: World) -> None:
    """So that the next is some time away; a server that tells everything is not asked at all."""
    now = time.time()
    while time.time() < now + 1.5:
        if any(t > now and way == ">" and b" LIST " in data for t, _, way, data in list(world.proxy.traffic)):
            break
        time.sleep(0.02)
    time.sleep(0.15)


def change_bytes(world: World, ops: Ops) -> tuple[dict[str, int], list[str]]:
    """What one flag, one arrival and one deletion in INBOX cost."""
    inbox = encode_name("INBOX")
    client = world.client()

    def rows() -> dict[int, frozenset[str]]:
        while True:
            try:
                index = world.dump.read("99999999999999-0")
                return next(m.rows for m in index.boxes.values() if m.path == "INBOX")
            except NotNow:
                time.sleep(0.01)

    def newest() -> int:
        return max(client.uids("INBOX"))

    client.run(f"APPEND {inbox} {{}}", ops.message())
    wait_until(lambda: newest() in rows(), 10, "a message")
    sign = ["-"]

    def flag() -> None:
        sign[0] = "-" if sign[0] == "+" else "+"
        client.run(f"UID STORE {newest()} {sign[0]}FLAGS.SILENT (\\Answered)")

    def delete() -> None:
        uid = newest()
        client.run(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
        client.run(f"UID EXPUNGE {uid}")

    found = {
        "flag": _cost(world, flag, lambda: ("\\answered" in rows()[newest()]) == (sign[0] == "+")),
        "arrival": _cost(world, lambda: client.run(f"APPEND {inbox} {{}}", ops.message()) and None,
                         lambda: newest() in rows()),
        "delete": _cost(world, delete, lambda: rows().keys() == set(client.uids("INBOX"))),
    }
    client.close()
    over = [f"bytes: one {name} cost {found[name]}, allowed are {limit}" for name, limit in CHANGES.items()
            if found[name] > limit]
    return found, over
