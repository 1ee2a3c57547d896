"""Servers that lie (I6, I16): whatever they say, no message that is on the server is told to be gone, none is
announced that is not new, and once they tell the truth again index and log do, too."""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rig.certs import Authority
from rig.consumer import Consumer
from rig.daemon import Daemon
from rig.process import HOST, wait_until
from rig.redis import Redis

from check import Failed, compare
import kinds
from fakemail import EVERYTHING, FakeMail, Lies, Mailbox
from index import Dump, Index, NotNow
from replay import Replay
from truth import Box
from world import LONG_AGO, dump_program, settings

QRESYNC = "IMAP4rev1 IDLE ENABLE CONDSTORE QRESYNC UIDPLUS LIST-EXTENDED LIST-STATUS NAMESPACE"
CONDSTORE = "IMAP4rev1 IDLE CONDSTORE UIDPLUS LIST-EXTENDED LIST-STATUS NAMESPACE"
PLAIN = "IMAP4rev1 IDLE UIDPLUS LIST-EXTENDED LIST-STATUS NAMESPACE"
WAIT = 25  # seconds until the truth must be known
NAMES = ("INBOX", "Work", "Lists", "Archive")
MESSAGES = 60


class VanishAll(Lies):
    def vanished(self, name: str, gone: str, earlier: bool) -> str:
        return f"1:{EVERYTHING}"


class VanishMore(Lies):
    """Tells of more departures than happened, next to an EXISTS that contradicts."""

    def vanished(self, name: str, gone: str, earlier: bool) -> str:
        return "1:20" + ("," + gone if gone else "") if earlier else gone


class VanishMoreLive(Lies):
    """The same of an idling client, which has no count yet to hold against it."""

    def vanished(self, name: str, gone: str, earlier: bool) -> str:
        return gone if earlier else "1:20" + ("," + gone if gone else "")


class VanishNothing(Lies):
    def vanished(self, name: str, gone: str, earlier: bool) -> str:
        return ""


class ExistsNone(Lies):
    def exists(self, name: str, count: int) -> int:
        return 0


class ExistsLess(Lies):
    def exists(self, name: str, count: int) -> int:
        return count // 2


class ExistsMore(Lies):
    def exists(self, name: str, count: int) -> int:
        return count + 7


class StatusOld(Lies):
    """STATUS as if nothing had ever happened."""

    def status(self, name: str, count: int) -> int:
        return MESSAGES


class ListShort(Lies):
    """Half of the mailboxes are missing, twice; the third listing is whole again."""

    def __init__(self) -> None:
        self.left = 2

    def listing(self, names: list[str]) -> list[str]:
        self.left -= 1
        return names[:len(names) // 2] if self.left >= 0 else names


class ListEmpty(Lies):
    def listing(self, names: list[str]) -> list[str]:
        return []


class ListFails(Lies):
    def listing(self, names: list[str]) -> None:
        return None


class ListNoInbox(Lies):
    def listing(self, names: list[str]) -> list[str]:
        return [n for n in names if n != "INBOX"]


class SpuriousValidity(Lies):
    """One wrong UIDVALIDITY, then the old one again."""

    def __init__(self, selecting: bool) -> None:
        self.left, self.selecting = 1, selecting

    def uid_validity(self, name: str, value: int, selecting: bool) -> int:
        if name != "Work" or selecting != self.selecting:
            return value
        self.left -= 1
        return value + 1 if self.left >= 0 else value


class StatusSpuriousValidity(SpuriousValidity):
    def __init__(self) -> None:
        super().__init__(False)


class SelectSpuriousValidity(SpuriousValidity):
    def __init__(self) -> None:
        super().__init__(True)


class ModseqBack(Lies):
    def highest_modseq(self, name: str, value: int) -> int:
        return 1


@dataclass(frozen=True)
class Case:
    name: str
    capability: str
    lies: Callable[[], Lies]
    seconds: float = 2.5  # how long the server lies
    window: int = 0
    forever: bool = False  # it is a kind of server, not a fault


CASES = (
    Case("truth with QRESYNC", QRESYNC, Lies),
    Case("truth with CONDSTORE", CONDSTORE, Lies),
    Case("truth without either", PLAIN, Lies),
    Case("everything vanished", QRESYNC, VanishAll),
    Case("more vanished than did", QRESYNC, VanishMore),
    Case("more vanished than did, while idle", QRESYNC, VanishMoreLive),
    Case("nothing vanished", QRESYNC, VanishNothing),
    Case("EXISTS 0", QRESYNC, ExistsNone),
    Case("EXISTS 0 without CONDSTORE", PLAIN, ExistsNone),
    Case("EXISTS too small", CONDSTORE, ExistsLess),
    Case("EXISTS too large", CONDSTORE, ExistsMore),
    Case("STATUS of long ago", CONDSTORE, StatusOld),
    Case("half a listing, twice", CONDSTORE, ListShort, 4),
    Case("an empty listing", CONDSTORE, ListEmpty, 4),
    Case("LIST refused", CONDSTORE, ListFails, 4),
    Case("a listing without INBOX", CONDSTORE, ListNoInbox, 4),
    Case("one wrong UIDVALIDITY in STATUS", CONDSTORE, StatusSpuriousValidity),
    Case("one wrong UIDVALIDITY in SELECT", CONDSTORE, SelectSpuriousValidity),
    Case("HIGHESTMODSEQ going back", QRESYNC, ModseqBack),
    Case("a window of ten thousand", PLAIN, Lies, window=10000),
    Case("of Coremail", "IMAP4rev1 ID X-CM-EXT-1 UIDPLUS", kinds.Coremail, forever=True),
    Case("of iCloud", QRESYNC + " ID XAPPLEPUSHSERVICE", kinds.ICloud, forever=True),
    Case("of James", QRESYNC + " ID", kinds.James, forever=True),
    Case("of Purelymail", CONDSTORE, kinds.Purelymail, forever=True),
    Case("of Zoho", CONDSTORE + " ID", kinds.Zoho, forever=True),
    Case("of Courier", "IMAP4rev1 IDLE UIDPLUS NAMESPACE", kinds.Courier, forever=True),
    Case("of Yandex", "IMAP4rev1 ID IDLE UIDPLUS", kinds.Yandex, forever=True),
    Case("of Tencent", "IMAP4rev1 ID IDLE UIDPLUS NAMESPACE", kinds.Tencent, forever=True),
    Case("of Cyrus", QRESYNC + " ID ESEARCH OBJECTID", kinds.Cyrus, forever=True),
    Case("of Stalwart", QRESYNC + " ID UIDONLY ESEARCH", kinds.Stalwart, forever=True),
    Case("of Proton", "IMAP4rev1 ID IDLE UIDPLUS MOVE UNSELECT", kinds.Proton, forever=True),
    Case("of a hostile kind", QRESYNC, kinds.Hostile, forever=True),
)


def fill(server: FakeMail) -> None:
    for n, name in enumerate(NAMES):
        server.boxes[name] = Mailbox(1000 + n)
        server.boxes[name].add(MESSAGES)


def change(server: FakeMail, turn: int, window: int = 0) -> None:
    """True changes beside the lies: each kind, in a watched mailbox and in another."""
    with server.lock:
        for name in ("INBOX", "Work"):
            box = server.boxes[name]
            box.add()
            box.flag(box.shown()[-3].uid, "\\Flagged")
            if window:
                box.remove(*(m.uid for m in box.shown()[100:103]))  # older ones come into sight again
            else:
                box.remove(turn * 5)


class Liar:
    """One case: a server, a daemon, and what is known of both."""

    def __init__(self, case: Case, directory: str) -> None:
        self.case, self.dir = case, directory
        self.server = self.serve()
        self.redis = Redis(directory, aof=False)
        self.consumer = Consumer()
        authority = Authority(os.path.join(directory, "ca"))
        # A missing mailbox is confirmed later than the lies about it end.
        own = {**settings(1000), "sync_delete_confirm_s": 10}
        self.daemon = Daemon(os.path.join(directory, "d"), self.redis.url, authority.file, **own)
        self.replay = Replay()
        self.index = Index()

    def serve(self) -> FakeMail:
        server = FakeMail(self.case.capability, self.case.lies() if self.case.forever else None)
        fill(server)
        return server

    def begin(self) -> None:
        self.redis.start()
        self.daemon.start()
        self.daemon.hooks(self.consumer.url)
        for box in self.server.boxes.values():
            box.window = self.case.window
            if self.case.window:
                box.add(self.case.window)
        self.daemon.post("/v1/account", {"account": "liar", "name": "liar", "notifyFrom": LONG_AGO, "imap": {
            "auth": {"user": "u", "pass": "p"}, "host": HOST, "port": self.server.port, "secure": False}})
        self.old = self.hidden()
        self.dump = Dump(dump_program(), self.redis.url, os.path.join(self.daemon.settings["data_dir"], "secret.key"),
                         "liar", os.path.join(self.dir, "index_dump.log"))
        self.agree("at first")

    def run(self) -> None:
        self.begin()
        if not self.case.forever:
            self.server.lies = self.case.lies()
        self.change(1)
        time.sleep(self.case.seconds / 2)
        self.daemon.put("/v1/account/liar/reconnect", {"reconnect": True})
        time.sleep(self.case.seconds / 2)
        self.look()
        self.judge("while it lied")
        if not self.case.forever:
            self.server.lies = Lies()
        self.change(2)
        self.daemon.put("/v1/account/liar/reconnect", {"reconnect": True})  # it may be waiting after a failure
        self.agree("in the end")
        self.judge("in the end")

    def change(self, turn: int) -> None:
        change(self.server, turn, self.case.window)

    def truth(self) -> dict[str, Box]:
        with self.server.lock:
            return {name: Box(name, self.server.lies.uid_validity(name, b.uid_validity, True), b.uid_next, b.modseq,
                              {m.uid: frozenset(f.lower() for f in m.flags) for m in b.shown()})
                    for name, b in self.server.boxes.items()}

    def look(self) -> list[str]:
        try:
            self.index = self.dump.read(self.replay.last)
        except NotNow as e:
            return [str(e)]
        self.replay.feed(self.index.entries)
        if self.case.window:
            self.replay.pass_by(self.hidden(), self.index)
        return self.replay.differences(self.index)

    def agree(self, when: str) -> None:
        """The index becomes what the server holds."""
        def open_points() -> list[str]:
            own = self.look()
            return own + self.against_truth()
        try:
            wait_until(lambda: not open_points(), WAIT * 3 if self.case.window else WAIT, "agreement", pause=0.1)
        except AssertionError:
            raise Failed([f"{when}: {p}" for p in open_points()]) from None
        self.replay.settle(self.index)

    def hidden(self) -> set[tuple[str, int]]:
        with self.server.lock:
            return {(name, m.uid) for name, b in self.server.boxes.items() if b.window for m in b.messages[:-b.window]}

    def there(self) -> set[tuple[str, int]]:
        with self.server.lock:
            return {(name, m.uid) for name, b in self.server.boxes.items() for m in b.messages}

    def against_truth(self) -> list[str]:
        copies = [m for m in self.index.boxes.values() if m.path in self.server.lies.copies]
        return [f"index: {m.path!r} holds copies" for m in copies if m.rows] + compare(
            replace(self.index, boxes={b: m for b, m in self.index.boxes.items() if m not in copies}), self.truth(),
            "CONDSTORE" in self.case.capability)

    def judge(self, when: str) -> None:
        """No departure of what is there (I6, I16), no departure of a mailbox, no reset."""
        problems = list(self.replay.problems)
        there = self.there()
        for e in self.replay.ids.values():
            if e.type == "messageDeleted" and (e.path, e.uid) in there:
                problems.append(f"{when}: {e}: is on the server")
            if e.type == "messageNew" and (e.path, e.uid) in self.old:
                problems.append(f"{when}: {e}: is an old message")
            if e.type in ("mailboxDeleted", "mailboxReset", "mailboxNew"):
                problems.append(f"{when}: {e}: did not happen")
        if problems:
            raise Failed(problems)

    def summary(self) -> str:
        return ""

    def report(self) -> str:
        log = "\n  ".join(map(str, list(self.replay.ids.values())[-60:]))
        commands = "\n  ".join(self.server.commands[-40:])
        return f"log:\n  {log}\ncommands:\n  {commands}\n"

    def stop(self) -> None:
        try:
            self.daemon.end()
        finally:
            if hasattr(self, "dump"):
                self.dump.close()
            self.server.close()
            self.consumer.close()
            self.redis.stop()
