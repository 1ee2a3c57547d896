"""What Dovecot did wrong, proved by what passed the proxy. Nothing else excuses a difference."""
from __future__ import annotations

import re

from truth import listed_paths
from wire import Imap, decode_name

SELECT = re.compile(rb'(?:SELECT|EXAMINE) (?:"((?:[^"\\\\]|\\\\.)*)"|([^ \r]+))')
ROW_OF_1970 = re.compile(rb'FETCH \(UID (\d+)[^\r\n]*INTERNALDATE "[ 0]1-Jan-1970')
STATUS = re.compile(rb'\* STATUS (?:"((?:[^"\\\\]|\\\\.)*)"|([^ \r]+)) \(([^)]*)\)')
COUNTS = re.compile(rb"\b(MESSAGES|UIDNEXT|UIDVALIDITY) (\d+)")
LIST = b'LIST "" "*"'
Traffic = list[tuple[float, int, str, bytes]]  # when, session, "<" from the server, bytes


def plain(quoted: bytes | None, atom: bytes | None) -> str:
    return (quoted if quoted is not None else atom).decode().replace('\\"', '"')


def messages_of_1970(traffic: Traffic) -> set[tuple[str, int]]:
    """Mailbox and UID of every message that was shown with that date, by what was selected at the time."""
    out, selected, said = set(), {}, {}
    for _, session, way, data in traffic:
        if way == "<":
            said[session] = said.get(session, b"")[-4000:] + data
            for m in ROW_OF_1970.finditer(said[session]):
                out.add((selected.get(session, ""), int(m[1])))
        elif (m := SELECT.search(data)) is not None:
            selected[session] = decode_name(plain(m[1], m[2]))
            said[session] = b""
    return out


def stale_listing(traffic: Traffic, since: float, fresh: Imap) -> bool:
    """The last listing, of a time when nothing changed any more, shows other mailboxes than the very same command
    does in a new session."""
    at = max((i for i, (t, _, way, data) in enumerate(traffic) if t > since and way == ">" and LIST in data), default=None)
    if at is None:
        return False
    session, asked = traffic[at][1], traffic[at][3]
    command = asked[asked.index(LIST):].split(b"\r\n")[0].decode()
    answer = b"".join(data for _, s, way, data in traffic[at:] if s == session and way == "<")
    return set(listed_paths(answer.splitlines(keepends=True))) != set(listed_paths(fresh.run(command)))


def counts_told(data: bytes) -> dict[str, dict[bytes, bytes]]:
    """By name as it was sent: the last STATUS of each."""
    return {plain(m[1], m[2]): dict(COUNTS.findall(m[3])) for m in STATUS.finditer(data)}


def broken_notify(traffic: Traffic, since: float, fresh: Imap) -> bool:
    """RFC 5465: who was granted NOTIFY of all mailboxes is told of every change. Of one that is seen in a new session
    nothing was said for so long, although the session goes on and idles."""
    sessions = [s for _, s, way, data in traffic if way == ">" and b"NOTIFY SET" in data and b"PERSONAL" in data]
    if not sessions:
        return False
    own = [(t, way, data) for t, s, way, data in traffic if s == sessions[-1]]
    if not own[-1][1] == "<" or own[-1][0] > since + 5:
        return False  # it waits for an answer, or something is being told just now
    told = counts_told(b"".join(data for _, way, data in own if way == "<"))
    now = counts_told(b"".join(fresh.run(LIST.decode() + " RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY))")))
    # Names come encoded in listings and in clear in what NOTIFY tells.
    return any(counts not in (told.get(name), told.get(decode_name(name))) for name, counts in now.items()
               if name != "INBOX")
