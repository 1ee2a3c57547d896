"""Servers that lie about which mailboxes and messages there are: nothing is lost by it."""
import time

import pytest

from rig.imap import Imap
from rig.process import wait_until

FINE = ("mailboxNew", "mailboxDeleted", "mailboxRenamed", "mailboxReset", "messageNew", "messageDeleted",
        "accountInitialized")


class Server(Imap):
    """validity: of a mailbox; ids: its MAILBOXID; lie(command, tag) -> bytes that are sent instead."""

    def __init__(self, boxes, objectid=False):
        super().__init__(self.instead_of, list(boxes))
        self.objectid, self.ids = objectid, {box: f"F{i}" for i, box in enumerate(boxes)}
        self.validity, self.lie = (lambda box: 1), (lambda command, box: None)
        self.selected = []

    def instead_of(self, _, command, tag, rest, s):
        box = rest.split(b" ")[0].decode().strip('"')
        if command == b"SELECT":
            self.selected.append(box)
        lie = self.lie(command, box)
        if lie is not None:
            s.sendall(lie.replace(b"%T", tag))
        return lie is not None

    def answer(self, command, rest):
        box = rest.split(b" ")[0].decode().strip('"')
        if command in (b"LOGIN", b"AUTHENTICATE", b"CAPABILITY") and self.objectid:
            return b"* CAPABILITY IMAP4rev1 IDLE UIDPLUS OBJECTID\r\n"
        if command == b"STATUS":
            id = b" MAILBOXID (%s)" % self.ids[box].encode() if self.objectid else b""
            return b"* STATUS %s (MESSAGES %d UIDNEXT %d UIDVALIDITY %d%s)\r\n" % (
                box.encode(), self.messages, self.messages + 1, self.validity(box), id)
        text = super().answer(command, rest)
        return text.replace(b"UIDVALIDITY 1", b"UIDVALIDITY %d" % self.validity(box)) if command == b"SELECT" else text


@pytest.fixture
def begin(make_daemon, redis, consumer, fake, user):
    def run(server, **settings):
        d = make_daemon(redis.url, **settings).start()
        d.hooks(consumer.url, events=FINE)
        d.add_account(user, None, host="127.0.0.1", port=fake(server).port, secure=False)
        d.wait_state(user)
        consumer.wait("accountInitialized", user)
        return d
    return run


def paths(d, user):
    return {m["path"] for m in d.get(f"/v1/account/{user}/mailboxes")["mailboxes"]}


def listings(d, user, server, count=3):
    """So many listings, and more time than a missing mailbox takes to be confirmed."""
    for _ in range(count):
        before = server.commands.count(b"LIST")

        def look():
            d.request("PUT", f"/v1/account/{user}/sync", {"sync": True})
            return server.commands.count(b"LIST") > before
        wait_until(look, 20, "a listing")
        time.sleep(1.2)


LISTINGS = {
    "an empty one": b"%T OK done\r\n",
    "refused": b"%T NO not now\r\n",
    "not understood": b"%T BAD what\r\n",
    "without INBOX": b'* LIST () "/" one\r\n%T OK done\r\n',
    "nothing to select": b'* LIST (\\Noselect) "/" INBOX\r\n* LIST (\\Noselect) "/" one\r\n%T OK done\r\n',
    "refused half way": b'* LIST () "/" INBOX\r\n%T NO internal error\r\n',
}


@pytest.mark.parametrize("what", LISTINGS)
def test_a_listing_that_cannot_be_true_deletes_nothing(begin, consumer, user, what):
    server = Server(["INBOX", "one", "two"])
    d = begin(server)
    server.lie = lambda command, box: LISTINGS[what] if command == b"LIST" else None
    # A refusal ends the connection, and the next one comes later and later.
    listings(d, user, server, 3 if b"%T OK" in LISTINGS[what] else 1)
    server.lie = lambda command, box: None
    wait_until(lambda: d.account(user)["state"] == "connected", 20, "connected again")
    assert not consumer.seen("mailboxDeleted") and paths(d, user) == {"INBOX", "one", "two"}


def test_half_of_them_missing_for_a_while_is_nothing(begin, consumer, user):
    boxes = ["INBOX"] + [f"b{i}" for i in range(8)]
    server = Server(boxes)
    d = begin(server, sync_delete_confirm_s=60)
    server.boxes = boxes[:5]
    listings(d, user, server)
    server.boxes = boxes
    listings(d, user, server)
    assert not consumer.seen("mailboxDeleted") and not consumer.seen("mailboxNew")
    assert d.page(user, "b7")["total"] == 3


def test_select_that_says_nonexistent_confirms(begin, consumer, user):
    server = Server(["INBOX", "one", "two"])
    begin(server, sync_delete_confirm_s=3600)

    def lie(command, box):
        if command == b"STATUS" and box == "two":
            return b"* STATUS two (MESSAGES 9 UIDNEXT 99 UIDVALIDITY 1)\r\n%T OK done\r\n"
        if command == b"SELECT" and box == "two":
            server.boxes = ["INBOX", "one"]
            return b"%T NO [NONEXISTENT] it is gone\r\n"
        return None
    server.lie = lie
    assert consumer.wait("mailboxDeleted", user, seconds=20).data["path"] == "two"
    assert len(consumer.seen("mailboxDeleted")) == 1


def test_a_name_without_a_mailbox_is_deleted_and_rarely_asked_for_again(begin, consumer, user):
    """As Dovecot lists a parent that was deleted."""
    server = Server(["INBOX", "one", "two"])
    d = begin(server, sync_delete_confirm_s=2)
    refused = {b"STATUS", b"SELECT", b"EXAMINE"}

    def lie(command, box):
        return b"%T NO [NONEXISTENT] there is none\r\n" if command in refused and box == "two" else None
    server.lie, before, began = lie, server.selected.count("two"), time.time()
    listings(d, user, server, 1)
    assert not consumer.seen("mailboxDeleted"), "one word of it is not enough"
    assert consumer.wait("mailboxDeleted", user, seconds=20).data["path"] == "two"
    assert time.time() - began > 2
    listings(d, user, server, 3)
    assert server.selected.count("two") - before == 2
    shown = {m["path"]: m for m in d.get(f"/v1/account/{user}/mailboxes")["mailboxes"]}
    assert shown["two"]["noSelect"] and not shown["one"].get("noSelect")
    server.lie = lambda command, box: None
    assert consumer.wait("mailboxNew", user, seconds=20).data["path"] == "two"
    assert len(consumer.seen("mailboxDeleted")) == len(consumer.seen("mailboxNew")) == 1
    wait_until(lambda: d.page(user, "two")["total"] == 3, 10, "its messages")


def test_a_mailbox_that_is_refused_for_a_while_stays(begin, consumer, user):
    server = Server(["INBOX", "one", "two"])
    d = begin(server, sync_delete_confirm_s=60)
    ids = {m["id"] for m in d.messages(user, "two")}
    server.lie = lambda command, box: (b"%T NO there is no such mailbox\r\n" if box == "two"
                                       and command in (b"STATUS", b"SELECT") else None)
    listings(d, user, server, 2)
    server.lie = lambda command, box: None
    listings(d, user, server, 2)
    assert not consumer.seen("mailboxDeleted") and {m["id"] for m in d.messages(user, "two")} == ids


def test_mailboxid_is_proof_where_uidvalidity_is_always_one(begin, consumer, user):
    server = Server(["INBOX", "one", "two"], objectid=True)
    d = begin(server, sync_delete_confirm_s=3600)
    ids = {m["id"] for m in d.messages(user, "two")}
    server.ids["three"] = server.ids["two"]
    server.boxes = ["INBOX", "one", "three"]
    listings(d, user, server, 1)
    told = consumer.wait("mailboxRenamed", user, seconds=20)
    assert (told.data["old"]["path"], told.data["new"]["path"]) == ("two", "three")
    assert {m["id"] for m in d.messages(user, "three")} == ids
    time.sleep(1)
    assert not consumer.seen("messageNew") and not consumer.seen("mailboxNew")


def test_uidvalidity_one_is_no_proof(begin, consumer, user):
    server = Server(["INBOX", "one", "two"])
    d = begin(server)
    server.boxes = ["INBOX", "one", "three"]
    listings(d, user, server)
    consumer.wait("mailboxNew", user, path="three")
    consumer.wait("mailboxDeleted", user, path="two")
    assert not consumer.seen("mailboxRenamed")


def test_a_wrong_uidvalidity_once_is_not_believed(begin, consumer, user):
    server = Server(["INBOX", "one"])
    d = begin(server)
    ids = {m["id"] for m in d.messages(user, "one")}
    before = server.selected.count("one")
    wrong = []

    def lie(command, box):
        if command == b"STATUS" and box == "one" and not wrong:
            return b"* STATUS one (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 9)\r\n%T OK done\r\n"
        if command == b"SELECT" and box == "one" and not wrong:
            wrong.append(box)
            return b"* 3 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n* OK [UIDNEXT 4] x\r\n%T OK done\r\n"
        return None
    server.lie = lie
    wait_until(lambda: server.selected.count("one") >= before + 2, 20, "asked again")
    time.sleep(1)
    assert not consumer.seen("mailboxReset")
    assert {m["id"] for m in d.messages(user, "one")} == ids


def test_a_uidvalidity_that_never_stays_is_left_alone(begin, consumer, user):
    server = Server(["INBOX", "one"])
    d = begin(server)
    for n in range(2, 6):
        server.validity = lambda box, n=n: n if box == "one" else 1
        before = server.selected.count("one")
        wait_until(lambda: server.selected.count("one") >= before + 2, 20, f"UIDVALIDITY {n} was seen")
        time.sleep(0.5)
    wait_until(lambda: "again and again" in d.log(), 20, "the warning")
    assert len(consumer.seen("mailboxReset", user)) == 3
    time.sleep(2.5)
    before = server.selected.count("one")
    time.sleep(2.5)
    assert server.selected.count("one") == before, "it rests"
    assert not consumer.seen("messageNew") and not consumer.seen("messageDeleted")
