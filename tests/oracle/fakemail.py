"""An IMAP server in memory that knows the whole truth, and tells it unless a lie is told to it.

It speaks as much as a client needs that syncs: LIST, STATUS, SELECT, FETCH, SEARCH, IDLE, with CONDSTORE and
QRESYNC where it offers them. A lie is a function of Lies; the default of each tells the truth."""
from __future__ import annotations

import bisect
import re
import threading
import time
from dataclasses import dataclass, field

from rig.fake import Fake

COMMAND = re.compile(r"(\S+) (UID )?(\S+) ?(.*)", re.I | re.S)
NAME = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
EVERYTHING = 4294967295
DATE = "%d-%b-%Y %H:%M:%S +0000"


@dataclass
class Message:
    uid: int
    modseq: int
    flags: set[str] = field(default_factory=set)
    at: float = field(default_factory=time.time)
    labels: set[str] = field(default_factory=set)  # X-GM-LABELS, as on the wire
    number: int = 0  # X-GM-MSGID; 0 = of the UID
    thread: int = 1700000000000000000  # X-GM-THRID


@dataclass
class Mailbox:
    uid_validity: int
    uid_next: int = 1
    modseq: int = 1
    messages: list[Message] = field(default_factory=list)
    attributes: str = ""  # of LIST
    window: int = 0  # only so many of the newest are shown; 0 = all

    def shown(self) -> list[Message]:
        return self.messages[-self.window:] if self.window else list(self.messages)

    def add(self, count: int = 1, age: float = 0) -> None:
        for _ in range(count):
            self.modseq += 1
            self.messages.append(Message(self.uid_next, self.modseq, at=time.time() - age))
            self.uid_next += 1

    def remove(self, *uids: int) -> None:
        self.modseq += 1
        self.messages = [m for m in self.messages if m.uid not in uids]

    def flag(self, uid: int, flag: str) -> None:
        self._change(uid).flags ^= {flag}

    def label(self, uid: int, label: str) -> None:
        self._change(uid).labels ^= {label}

    def _change(self, uid: int) -> Message:
        self.modseq += 1
        changed = next(m for m in self.messages if m.uid == uid)
        changed.modseq = self.modseq
        return changed


class Lies:
    """What the server says instead of the truth. Each gets the truth and returns what is said."""

    def listing(self, names: list[str]) -> list[str] | None:
        """Mailboxes that LIST shows; None: LIST fails."""
        return names

    def exists(self, name: str, count: int) -> int:
        return count

    def uid_validity(self, name: str, value: int, selecting: bool) -> int:
        return value

    def vanished(self, name: str, gone: str, earlier: bool) -> str:
        """The set of VANISHED (EARLIER) or of VANISHED; empty: nothing is said."""
        return gone

    def status(self, name: str, count: int) -> int:
        return count

    def highest_modseq(self, name: str, value: int) -> int:
        return value

    def noise(self, session: Session) -> bytes:
        """What an idling client is told besides, again and again."""
        return b""

    # --- how a kind of server differs from others ---

    greeting = "ready"
    copies: tuple[str, ...] = ()  # mailboxes that hold what others do: they stay empty in the index
    id = ""  # the name that ID tells; empty: it is not offered

    def refuses(self, session: Session, name: str, rest: str) -> str:
        """What is said instead of obeying; empty: it obeys."""
        return ""

    def says(self, line: str) -> list[str]:
        """Any line that is sent."""
        return [line]


def parse_set(text: str, last: int) -> list[tuple[int, int]]:
    out = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        a, b = (last if n == "*" else int(n) for n in (low, high or low))
        out.append((min(a, b), max(a, b)))
    return out


def print_set(numbers: list[int]) -> str:
    return ",".join(map(str, numbers))


class FakeMail:
    def __init__(self, capability: str, lies: Lies | None = None) -> None:
        self.capability, self.lies, self.lock = capability, lies or Lies(), threading.RLock()
        self.boxes: dict[str, Mailbox] = {}
        self.commands: list[str] = []
        self.fake = Fake(lambda sock: Session(self, sock).run())
        self.port = self.fake.port

    def close(self) -> None:
        self.fake.close()


class Session:
    def __init__(self, server: FakeMail, sock) -> None:
        self.server, self.sock = server, sock
        self.lines = sock.makefile("rb")
        self.name: str | None = None
        self.known: list[int] = []  # UIDs by sequence number, as the client knows them
        self.seen_modseq = 0
        self.qresync = self.said_id = False
        self.idle_tag: str | None = None

    def say(self, text: str) -> None:
        for line in self.server.lies.says(text):
            self.sock.sendall(line.encode() + b"\r\n")

    def run(self) -> None:
        try:
            self._serve()
        finally:
            self.lines.close()
            self.sock.close()  # ends _watch, too

    def _serve(self) -> None:
        self.say(f"* OK [CAPABILITY {self.server.capability}] {self.server.lies.greeting}")
        threading.Thread(target=self._watch, daemon=True).start()
        for line in iter(self.lines.readline, b""):
            text = self._whole(line.decode().rstrip("\r\n"))
            with self.server.lock:
                if self.idle_tag is not None:
                    tag, self.idle_tag = self.idle_tag, None
                    self.say(f"{tag} OK idled")
                    continue
                self._command(text)

    def _whole(self, text: str) -> str:
        """A command with its literals, as if they were quoted."""
        while literal := re.search(r"\{(\d+)\}$", text):
            self.say("+ go on")
            data = self.lines.read(int(literal[1])).decode()
            text = f'{text[:literal.start()]}"{data}"' + self.lines.readline().decode().rstrip("\r\n")
        return text

    def _watch(self) -> None:
        """Tells an idling client of changes."""
        while self.sock.fileno() >= 0:
            time.sleep(0.03)
            with self.server.lock:
                if self.idle_tag is not None:
                    try:
                        self._news(True)
                        self.sock.sendall(self.server.lies.noise(self))
                    except OSError:
                        return

    def _command(self, text: str) -> None:
        tag, uid, name, rest = COMMAND.match(text).groups()
        self.server.commands.append(f"{uid or ''}{name} {rest}".upper())
        self.said_id = self.said_id or name.upper() == "ID"
        refusal = self.server.lies.refuses(self, name.upper(), rest)
        if refusal:
            self.say(f"{tag} {refusal}")
            return
        answer = getattr(self, "on_" + name.lower(), None)
        if answer is None:
            self.say(f"{tag} BAD unknown command")
            return
        failed = answer(rest, bool(uid))
        if name.upper() == "IDLE":
            self.idle_tag = tag
            self.say("+ idling")
            return
        self._news(uid is not None or name.upper() in ("NOOP", "STATUS", "LIST"))
        self.say(f"{tag} {failed or 'OK done'}")

    # --- news of the selected mailbox ---

    def _news(self, may_expunge: bool) -> None:
        if self.name is None or self.name not in self.server.boxes:
            return
        box = self.server.boxes[self.name]
        now, known = {m.uid for m in box.shown()}, set(self.known)
        if may_expunge:
            self._expunged(sorted(known - now))
        if now - known:
            self.known = sorted((now - known).union(self.known))
            self.say(f"* {self.server.lies.exists(self.name, len(self.known))} EXISTS")
        if self.seen_modseq == box.modseq:
            return
        known = set(self.known)
        for m in box.shown():
            if m.modseq > self.seen_modseq and m.uid in known:
                self.say(self.row(box, m, "UID FLAGS"))
        self.seen_modseq = box.modseq

    def _expunged(self, gone: list[int]) -> None:
        if not gone:
            return
        if self.qresync:
            said = self.server.lies.vanished(self.name, print_set(gone), False)
            if said:
                self.say(f"* VANISHED {said}")
        else:
            for uid in reversed(gone):
                self.say(f"* {self.known.index(uid) + 1} EXPUNGE")
        self.known = sorted(set(self.known).difference(gone))

    def row(self, box: Mailbox, m: Message, items: str) -> str:
        items = items.upper()
        parts = [f"UID {m.uid}", f"FLAGS ({' '.join(sorted(m.flags))})"]
        if "CONDSTORE" in self.server.capability:
            parts.append(f"MODSEQ ({m.modseq})")
        if "INTERNALDATE" in items:
            parts.append(f'INTERNALDATE "{time.strftime(DATE, time.gmtime(m.at))}"')
            parts.append(f"RFC822.SIZE {100 + m.uid}")
        if "X-GM-MSGID" in items:
            parts.append(f"X-GM-MSGID {m.number or 1600000000000000000 + m.uid}")
        if "X-GM-THRID" in items:
            parts.append(f"X-GM-THRID {m.thread}")
        if "X-GM-LABELS" in items:
            parts.append(f"X-GM-LABELS ({' '.join(sorted(m.labels))})")
        if "ENVELOPE" in items:
            parts.append(f'ENVELOPE (NIL "Number {m.uid}" NIL NIL NIL NIL NIL NIL NIL '
                         f'"<{box.uid_validity}.{m.uid}@example.com>")')
            parts.append('BODYSTRUCTURE ("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL NIL NIL)')
        return f"* {bisect.bisect_left(self.known, m.uid) + 1} FETCH ({' '.join(parts)})"

    # --- commands; what they return is said instead of OK ---

    def on_capability(self, rest: str, uid: bool) -> None:
        self.say("* CAPABILITY " + self.server.capability)

    def on_login(self, rest: str, uid: bool) -> None:
        pass

    on_noop = on_login

    def on_id(self, rest: str, uid: bool) -> None:
        if self.server.lies.id:
            self.say(f'* ID ("name" "{self.server.lies.id}")')

    def on_idle(self, rest: str, uid: bool) -> None:
        pass

    def on_logout(self, rest: str, uid: bool) -> None:
        self.say("* BYE bye")

    def on_namespace(self, rest: str, uid: bool) -> None:
        self.say('* NAMESPACE (("" "/")) NIL NIL')

    def on_enable(self, rest: str, uid: bool) -> None:
        self.qresync = "QRESYNC" in rest.upper() and "QRESYNC" in self.server.capability
        self.say("* ENABLED " + ("QRESYNC" if self.qresync else ""))

    def on_list(self, rest: str, uid: bool) -> str | None:
        names = self.server.lies.listing(list(self.server.boxes))
        if names is None:
            return "NO not now"
        for name in names:
            self.say(f'* LIST ({self.server.boxes[name].attributes}) "/" "{name}"')
            if "STATUS (" in rest.upper():
                self._status(name, " MAILBOXID (@MAILBOXID)" if "MAILBOXID" in rest.upper() else "")
        return None

    def _status(self, name: str, more: str = "") -> None:
        box, lies = self.server.boxes[name], self.server.lies
        modseq = f" HIGHESTMODSEQ {lies.highest_modseq(name, box.modseq)}" if "CONDSTORE" in self.server.capability else ""
        self.say(f'* STATUS "{name}" (MESSAGES {lies.status(name, len(box.shown()))} UIDNEXT {box.uid_next} '
                 f"UIDVALIDITY {lies.uid_validity(name, box.uid_validity, False)}{modseq}{more})")

    def on_status(self, rest: str, uid: bool) -> str | None:
        m = NAME.match(rest)
        name = m[1] if m[1] is not None else m[2]
        if name not in self.server.boxes:
            return "NO [NONEXISTENT] no such mailbox"
        self._status(name)
        return None

    def on_select(self, rest: str, uid: bool) -> str | None:
        m = NAME.match(rest)
        name = m[1] if m[1] is not None else m[2]
        self.name = None
        if name not in self.server.boxes:
            return "NO [NONEXISTENT] no such mailbox"
        box, lies = self.server.boxes[name], self.server.lies
        self.name, self.known, self.seen_modseq = name, [m.uid for m in box.shown()], box.modseq
        self.say("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)")
        self.say(f"* {lies.exists(name, len(self.known))} EXISTS")
        self.say(f"* OK [UIDVALIDITY {lies.uid_validity(name, box.uid_validity, True)}] x")
        self.say(f"* OK [UIDNEXT {box.uid_next}] x")
        if "CONDSTORE" in self.server.capability:
            self.say(f"* OK [HIGHESTMODSEQ {lies.highest_modseq(name, box.modseq)}] x")
        resync = re.search(r"QRESYNC \((\d+) (\d+)(?: (\S+?))?[ )]", rest, re.I)
        if resync and int(resync[1]) == box.uid_validity:
            self._changes(int(resync[2]), resync[3] or f"1:{EVERYTHING}", "UID FLAGS", True)
        return "OK [READ-WRITE] selected"

    on_examine = on_select

    def _changes(self, since: int, uids: str, items: str, vanished: bool) -> None:
        box = self.server.boxes[self.name]
        wanted = parse_set(uids, box.uid_next - 1)
        if vanished:
            present = set(self.known)
            gone = [u for low, high in wanted for u in range(low, min(high, box.uid_next - 1) + 1) if u not in present]
            said = self.server.lies.vanished(self.name, print_set(gone), True)
            if said:
                self.say(f"* VANISHED (EARLIER) {said}")
        for m in box.shown():
            if m.modseq > since and m.uid in self.known and any(low <= m.uid <= high for low, high in wanted):
                self.say(self.row(box, m, items))

    def on_fetch(self, rest: str, uid: bool) -> None:
        box = self.server.boxes[self.name]
        numbers, items = rest.split(" ", 1)
        since = re.search(r"CHANGEDSINCE (\d+)( VANISHED)?", rest, re.I)
        if since and uid:
            self._changes(int(since[1]), numbers, items, bool(since[2]))
            return
        last = (self.known or [0])[-1] if uid else len(self.known)
        wanted = parse_set(numbers, last)
        by_uid = {m.uid: m for m in box.messages}
        for number, known in enumerate(list(self.known), 1):
            m = by_uid.get(known)
            if m is not None and any(low <= (known if uid else number) <= high for low, high in wanted):
                self.say(self.row(box, m, items))

    def on_search(self, rest: str, uid: bool) -> None:
        box = self.server.boxes[self.name]
        wanted = re.search(r"UID (\S+)", rest, re.I)
        ranges = parse_set(wanted[1], box.uid_next - 1) if wanted else [(1, EVERYTHING)]
        found = [u for u in self.known if any(low <= u <= high for low, high in ranges)]
        flag = re.search(r"\b(UN)?(SEEN|FLAGGED|ANSWERED|DRAFT|DELETED)\b", rest, re.I)
        if flag:
            name = "\\" + flag[2].capitalize()
            have = {m.uid for m in box.messages if name in m.flags}
            found = [u for u in found if (u in have) != bool(flag[1])]
        thread = re.search(r"X-GM-THRID (\d+)", rest, re.I)
        if thread:
            have = {m.uid for m in box.messages if m.thread == int(thread[1])}
            found = [u for u in found if u in have]
        self.say("* SEARCH" + "".join(f" {u}" for u in found))

    def on_unselect(self, rest: str, uid: bool) -> None:
        self.name = None

    on_close = on_unselect
