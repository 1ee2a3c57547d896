"""Servers that tell little, tell it late, or not the truth: what is not told is found."""
import re
import threading
import time

from rig.imap import Imap
from rig.process import wait_until

EMPTY = {"MESSAGES": 0, "UIDNEXT": 1}
MANY = [f"Box{i:02}" for i in range(40)]


class Server(Imap):
    """Capabilities and mailboxes as given; log: (time, command, rest) of all connections."""

    def __init__(self, caps="IDLE UIDPLUS", boxes=("INBOX", "Other"), name="fake", **uses):
        super().__init__(self._instead, boxes)
        self.caps, self.name, self.uses, self.log = caps, name, uses, []
        self.counts = {box: 0 for box in boxes}
        self.status_counts = {}  # what STATUS says instead
        self.refuse = lambda command, rest: None
        self.idlers = []

    def _instead(self, _, command, tag, rest, s):
        self.log.append((time.monotonic(), command, rest.decode()))
        said = self.refuse(command, rest)
        if said is not None:
            s.sendall(tag + b" " + said + b"\r\n")
            return True
        box = rest.decode().split(" ")[0].strip('"')
        if command == b"SELECT":
            self.selected = box
        if command == b"IDLE":
            self.idlers.append(s)
        return False

    def answer(self, command, rest):
        box = rest.decode().split(" ")[0].strip('"')
        if command in (b"LOGIN", b"AUTHENTICATE", b"CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1 %s\r\n" % self.caps.encode()
        if command == b"ID":
            return b'* ID ("name" "%s")\r\n' % self.name.encode()
        if command == b"LIST":
            return "".join(f'* LIST ({self.uses.get(b, "")}) "/" {b}\r\n' for b in self.boxes).encode()
        if command == b"STATUS":
            n = self.status_counts.get(box, self.counts[box])
            return f"* STATUS {box} (MESSAGES {n} UIDNEXT {n + 1} UIDVALIDITY 1)\r\n".encode()
        if command == b"SELECT":
            n = self.counts[box]
            return (f"* FLAGS (\\Seen)\r\n* {n} EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT {n + 1}] x\r\n"
                    .encode())
        if command in (b"FETCH", b"UID FETCH"):
            n = self.counts[self.selected]
            first = re.match(r"(\d+)", rest.decode())
            lo = min(int(first.group(1)) if first else 1, n)
            return b"".join(self.row(i) for i in range(max(lo, 1), n + 1))
        if command == b"UID SEARCH":
            n = self.counts[self.selected]
            return b"* SEARCH" + b"".join(b" %d" % i for i in range(1, n + 1)) + b"\r\n"
        return b""

    def sent(self, command, rest=""):
        return [at for at, c, r in list(self.log) if c == command and rest in r]


def add(daemon, fake, user, server, **more):
    daemon.post("/v1/account", {"account": user, "name": user, "notifyFrom": "2020-01-01T00:00:00.000Z", "imap": {
        "auth": {"user": "u", "pass": "p"}, "host": "127.0.0.1", "port": fake(server).port, "secure": False}, **more})
    daemon.wait_state(user)


SLOW = {"sync_poll_interval_s": 3600, "sync_poll_hot_s": 3600}


def make(make_daemon, redis, consumer, **settings):
    d = make_daemon(redis.url, **{**SLOW, **settings}).start()
    d.hooks(consumer.url)
    return d


def test_notify_is_reduced_to_what_the_server_grants(make_daemon, redis, consumer, fake, user):
    server = Server("IDLE NOTIFY LIST-EXTENDED LIST-STATUS")
    server.refuse = lambda command, rest: (
        b"NO [BADEVENT (MessageNew MessageExpunge)] less" if command == b"NOTIFY" and b"FlagChange" in
        rest.split(b"PERSONAL")[-1] else None)
    d = make(make_daemon, redis, consumer)
    add(d, fake, user, server)
    wait_until(lambda: server.idlers, 5, "IDLE")
    asked = [rest for _, command, rest in server.log if command == b"NOTIFY"]
    assert "MailboxName" in asked[0] and asked[-1].endswith("(PERSONAL (MessageNew MessageExpunge))"), asked
    d.put(f"/v1/account/{user}/reconnect", {"reconnect": True})
    wait_until(lambda: len(server.sent(b"NOTIFY")) > len(asked), 5, "NOTIFY again")
    assert len(server.sent(b"NOTIFY")) == len(asked) + 1, "what was refused is not asked for again"


def test_names_that_are_pushed_before_the_answer_to_list_are_no_part_of_it(make_daemon, redis, consumer, fake, user):
    server = Server("IDLE NOTIFY LIST-EXTENDED LIST-STATUS", **{"INBOX": "\\HasNoChildren", "Other": "\\HasNoChildren"})
    truth = server.answer
    # As Dovecot does: one that is no more, one in raw UTF-8 that is listed, one that is listed in other words.
    pushed = '* LIST (\\NonExistent) "/" Past\r\n* LIST () "/" "Größe"\r\n* LIST () "/" Other\r\n'.encode()
    server.boxes, server.uses["Gr&APYA3w-e"] = ["INBOX", "Other", "Gr&APYA3w-e"], "\\HasNoChildren"
    server.counts["Gr&APYA3w-e"] = 0
    server.answer = lambda command, rest: (pushed if command == b"LIST" else b"") + truth(command, rest)
    d = make(make_daemon, redis, consumer)
    add(d, fake, user, server)
    names = [m["path"] for m in d.get(f"/v1/account/{user}/mailboxes")["mailboxes"]]
    assert sorted(names) == ["Größe", "INBOX", "Other"]


def test_pushed_status_starts_a_pass_and_overflow_asks_anew(make_daemon, redis, consumer, fake, user):
    server = Server("IDLE NOTIFY LIST-EXTENDED LIST-STATUS")
    d = make(make_daemon, redis, consumer)
    add(d, fake, user, server)
    wait_until(lambda: server.idlers, 5, "IDLE")
    server.counts["Other"] = 1
    server.idlers[-1].sendall(b"* STATUS Other (MESSAGES 1 UIDNEXT 2)\r\n")
    wait_until(lambda: server.sent(b"UID FETCH"), 5, "a pass of Other")
    before = len(server.sent(b"LIST")), len(server.sent(b"NOTIFY"))
    idlers = len(server.idlers)
    server.counts["Other"] = 2
    server.idlers[-1].sendall(b"* OK [NOTIFICATIONOVERFLOW] too much\r\n")
    wait_until(lambda: len(server.sent(b"NOTIFY")) == before[1] + 1, 5, "NOTIFY")
    wait_until(lambda: len(server.sent(b"LIST")) > before[0], 5, "a listing")
    wait_until(lambda: len(server.idlers) > idlers, 5, "IDLE")
    before = len(server.sent(b"LIST"))
    server.idlers[-1].sendall(b'* LIST () "/" Newer\r\n')
    wait_until(lambda: len(server.sent(b"LIST")) > before, 5, "a listing after LIST was pushed")
    assert d.account(user)["state"] == "connected"


def test_what_is_told_of_an_examined_mailbox_is_of_no_other(make_daemon, redis, consumer, fake, user):
    server = Server()
    server.counts = {"INBOX": 300, "Other": 3, "Newer": 3}
    truth = server.answer
    server.answer = lambda command, rest: truth(command, rest).replace(
        b"UIDVALIDITY 1", b"UIDVALIDITY 1" if rest.startswith((b"INBOX", b'"INBOX')) else b"UIDVALIDITY 7")

    def examine(command, rest):
        if command == b"EXAMINE":
            server.selected = "Newer"
            return b"OK [UIDVALIDITY 7] done\r\n* 2 FETCH (UID 2 FLAGS (\\Flagged))"
        return None
    server.refuse = examine
    d = make(make_daemon, redis, consumer)
    add(d, fake, user, server, notifyFrom="2030-01-01T00:00:00.000Z")
    wait_until(lambda: server.idlers, 5, "IDLE")
    idlers = len(server.idlers)
    server.boxes = ["INBOX", "Newer"]
    server.idlers[-1].sendall(b'* LIST () "/" Newer\r\n')
    consumer.wait("mailboxNew", user)
    assert server.sent(b"EXAMINE", "Newer")
    wait_until(lambda: len(server.idlers) > idlers, 5, "IDLE")
    time.sleep(0.5)
    assert not consumer.seen("messageUpdated", user), "flags of another mailbox"


def test_a_date_that_changes_during_the_first_pass_of_a_subconnection(make_daemon, redis, consumer, fake, user):
    server = Server()
    server.counts = {"INBOX": 3, "Other": 3}
    held, release = threading.Event(), threading.Event()

    def hold(command, rest):
        if command == b"FETCH" and server.selected == "Other":
            held.set()
            release.wait(20)
    d = make(make_daemon, redis, consumer)
    add(d, fake, user, server)
    wait_until(lambda: server.idlers, 5, "IDLE")
    server.refuse = hold
    d.put(f"/v1/account/{user}", {"subconnections": ["Other"]})
    assert held.wait(10)
    listings = len(server.sent(b"LIST"))
    d.put(f"/v1/account/{user}", {"syncFrom": "2023-11-01T00:00:00.000Z"})
    wait_until(lambda: server.sent(b"UID SEARCH", "SINCE"), 5, "the search in INBOX")
    wait_until(lambda: len(server.sent(b"LIST")) > listings, 5, "a listing")
    time.sleep(0.3)
    release.set()
    wait_until(lambda: len(server.sent(b"UID SEARCH", "SINCE")) == 2, 5, "the search in the other one")


def test_idle_that_says_nothing_is_found_out(make_daemon, redis, consumer, fake, user):
    server = Server()
    d = make(make_daemon, redis, consumer, sync_idle_check_s=1, sync_poll_hot_s=1, sync_poll_interval_s=30)
    add(d, fake, user, server)
    for n in (1, 2):
        server.counts["INBOX"] = n
        consumer.wait("messageNew", user, count=n)
    wait_until(lambda: "IDLE does not tell" in d.log(), 10, "the verdict")
    before = len(server.sent(b"SELECT", "INBOX"))
    time.sleep(3.5)
    assert len(server.sent(b"SELECT", "INBOX")) >= before + 2


def test_status_that_lies_is_replaced_by_selecting(make_daemon, redis, consumer, fake, user):
    server = Server(boxes=("INBOX", "Other", "Third"))
    d = make(make_daemon, redis, consumer, sync_idle_check_s=1, sync_poll_hot_s=1, sync_poll_interval_s=1)
    server.status_counts = {"Other": 0}
    add(d, fake, user, server)
    for n in range(1, 30):
        # Third really changes, so that there is a work connection to look at others with.
        server.counts["Third"] = server.counts["Other"] = n
        time.sleep(0.7)
        if len(server.sent(b"SELECT", "Other")) >= 5:
            break
    told = consumer.wait("messageNew", user, path="Other")
    assert told.data["uid"] == 1


def test_exchange_is_asked_for_twenty_status_a_minute(make_daemon, redis, consumer, fake, user):
    server = Server("IDLE ID", boxes=["INBOX", *MANY], name="Microsoft.Exchange.Imap4.Imap4Server")
    d = make(make_daemon, redis, consumer, sync_poll_interval_s=1, sync_poll_hot_s=1)
    add(d, fake, user, server)
    begin = time.monotonic()
    time.sleep(4)
    asked = [at for at in server.sent(b"STATUS") if at > begin]
    assert len(asked) <= 20, len(asked)


def test_the_first_index_begins_with_what_matters(make_daemon, redis, consumer, fake, user):
    boxes = ["Trash", "Zoo", "Spam", "Drafts", "INBOX", "Sent"]
    server = Server("IDLE", boxes=boxes, Trash="\\Trash", Spam="\\Junk", Drafts="\\Drafts", Sent="\\Sent")
    for box in boxes:
        server.counts[box] = 1
    add(make(make_daemon, redis, consumer), fake, user, server)
    order = [rest.split(" ")[0].strip('"') for _, command, rest in server.log if command == b"SELECT"]
    assert list(dict.fromkeys(order)) == ["INBOX", "Sent", "Drafts", "Zoo", "Spam", "Trash"]
