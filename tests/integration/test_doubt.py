"""A watched mailbox that is shown as it was before, or refused: the others of the account do not wait for it."""
import threading
import time

import pytest

from rig.process import wait_until
from test_crash import assert_told_under_one_id
from test_watch_fakes import Server, add, make

BOXES = ("INBOX", "Second", "Third", "Fourth")
HAD, OLDER = 10, 6  # messages of the one in doubt
LOST = ("messageDeleted", "mailboxDeleted", "mailboxReset", "mailboxNew")
QUICK = {"sync_poll_interval_s": 1, "sync_poll_hot_s": 1}


class Doubtful(Server):
    """`box` is the one in doubt. Each connection has a mailbox selected of its own."""

    def __init__(self, box, caps="IDLE UIDPLUS"):
        self.connection = threading.local()
        super().__init__(caps, BOXES)
        self.born = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime()).encode()
        self.box, self.counts = box, {**{b: 2 for b in BOXES}, box: HAD}

    @property
    def selected(self):
        return self.connection.selected

    @selected.setter
    def selected(self, box):
        self.connection.selected = box

    def begin(self, kind):
        """Returns how often it was selected before."""
        if kind == "older":
            self.counts[self.box] = OLDER
        else:
            said = {"refused": b"NO [NOPERM] not now", "gone": b"NO [NONEXISTENT] there is none"}[kind]
            refused = (b"SELECT", b"STATUS", b"EXAMINE")
            self.refuse = lambda command, rest: said if command in refused and self.names(rest) else None
        return len(self.selects())

    def end(self, count):
        self.counts[self.box] = count
        self.refuse = lambda command, rest: None

    def date(self):
        return self.born

    def row(self, i):
        """No message looks like another, and none is old: what arrives was not moved."""
        size = 1000 * (BOXES.index(self.selected) + 1) + i
        return super().row(i).replace(b"RFC822.SIZE 50", b"RFC822.SIZE %d" % size)

    def names(self, rest):
        return rest.decode().split(" ")[0].strip('"') == self.box

    def selects(self):
        return self.sent(b"SELECT", self.box)


def begin(make_daemon, redis, consumer, fake, user, server, record=None, **settings):
    """A daemon with the account, which has told all messages of its mailboxes."""
    d = make(make_daemon, redis, consumer, **{**QUICK, **settings})
    add(d, fake, user, server, **(record or {}))
    told = HAD + sum(2 for b in BOXES if b != server.box and b in (record or {}).get("path", BOXES))
    consumer.wait("messageNew", user, count=told)
    return d, told


def reconnect(d, user, server, before):
    d.put(f"/v1/account/{user}/reconnect", {"reconnect": True})
    wait_until(lambda: len(server.selects()) > before, 10, "SELECT")


def told_of_another(consumer, server, user):
    """A message arrives in another mailbox."""
    server.counts["Fourth"] += 1
    return consumer.wait("messageNew", user, path="Fourth", uid=server.counts["Fourth"], seconds=8)


CASES = {
    "INBOX, older": ("INBOX", "older", {}),
    "INBOX, refused": ("INBOX", "refused", {}),
    "the first of path, older": ("Third", "older", {"path": ["Third", "Fourth"]}),
    "the first of path, gone": ("Third", "gone", {"path": ["Third", "Fourth"]}),
    "with a connection of its own, older": ("Third", "older", {"subconnections": ["Third"]}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_others_do_not_wait(make_daemon, redis, consumer, fake, user, case):
    box, kind, record = CASES[case]
    server = Doubtful(box)
    d, told = begin(make_daemon, redis, consumer, fake, user, server, record, sync_delete_confirm_s=600)
    reconnect(d, user, server, server.begin(kind))
    time.sleep(0.5)
    began = time.monotonic()
    told_of_another(consumer, server, user)
    assert time.monotonic() - began < 2
    began = time.monotonic()
    told_of_another(consumer, server, user)
    assert time.monotonic() - began < 2
    server.end(HAD + 1)
    consumer.wait("messageNew", user, path=box, uid=HAD + 1)
    d.wait_state(user)
    assert d.page(user, box)["total"] == HAD + 1
    assert len(consumer.seen("messageNew", user)) == told + 3
    assert not [e for e in LOST if consumer.seen(e, user)]


def test_idle_goes_on_and_what_notify_tells_is_looked_at(make_daemon, redis, consumer, fake, user):
    server = Doubtful("INBOX", "IDLE NOTIFY LIST-EXTENDED LIST-STATUS")
    d, _ = begin(make_daemon, redis, consumer, fake, user, server, sync_delete_confirm_s=600, sync_poll_interval_s=3600,
                 sync_poll_hot_s=3600)
    idlers = len(server.idlers)
    reconnect(d, user, server, server.begin("older"))
    wait_until(lambda: len(server.idlers) > idlers, 5, "IDLE")
    server.counts["Second"] += 1
    server.idlers[-1].sendall(b"* 7 EXISTS\r\n* STATUS Second (MESSAGES 3 UIDNEXT 4)\r\n")
    began = time.monotonic()
    consumer.wait("messageNew", user, path="Second", uid=3)
    assert time.monotonic() - began < 2
    assert not consumer.seen("messageDeleted", user) and d.page(user)["total"] == HAD


def test_what_stays_as_it_was_before_is_believed_in_the_end(make_daemon, redis, consumer, fake, user):
    server = Doubtful("INBOX")
    d, told = begin(make_daemon, redis, consumer, fake, user, server, sync_delete_confirm_s=2)
    logins = server.commands.count(b"LOGIN")
    reconnect(d, user, server, server.begin("older"))
    consumer.wait("messageDeleted", user, count=HAD - OLDER)
    d.wait_state(user)
    assert sorted(e.data["uid"] for e in consumer.seen("messageDeleted", user)) == list(range(OLDER + 1, HAD + 1))
    selects = len(server.selects())
    time.sleep(2.5)
    # Without CONDSTORE it is looked at once each interval.
    assert len(server.selects()) - selects <= 4 and server.commands.count(b"LOGIN") - logins <= 6
    assert len(consumer.seen("messageNew", user)) == told and d.page(user)["total"] == OLDER


def test_a_connection_that_alone_shows_it_as_it_was_before_is_replaced(make_daemon, redis, consumer, fake, user):
    server = Doubtful("INBOX")
    d, told = begin(make_daemon, redis, consumer, fake, user, server, sync_delete_confirm_s=600)
    server.begin("older")
    lagging, truth = [], server._instead

    def first_only(fake_server, command, tag, rest, s):
        if not lagging and command == b"SELECT":
            lagging.append(s)
        server.counts["INBOX"] = OLDER if s in lagging else HAD
        return truth(fake_server, command, tag, rest, s)
    server.instead = first_only
    d.put(f"/v1/account/{user}/reconnect", {"reconnect": True})
    wait_until(lambda: lagging, 10, "SELECT")
    told_of_another(consumer, server, user)
    wait_until(lambda: server.idlers and server.idlers[-1] not in lagging, 15, "IDLE on another connection")
    d.wait_state(user)
    assert len(consumer.seen("messageNew", user)) == told + 1 and not consumer.seen("messageDeleted", user)


def test_a_watched_mailbox_that_is_gone_is_told_and_the_next_one_is_watched(make_daemon, redis, consumer, fake, user):
    server = Doubtful("Third")
    d, _ = begin(make_daemon, redis, consumer, fake, user, server, {"path": ["Third", "Fourth"]}, sync_delete_confirm_s=2)
    before = server.begin("gone")
    server.boxes = [b for b in BOXES if b != "Third"]
    reconnect(d, user, server, before)
    assert consumer.wait("mailboxDeleted", user).data["path"] == "Third"
    d.wait_state(user)
    wait_until(lambda: server.log[-1][1] == b"IDLE", 5, "IDLE")
    told_of_another(consumer, server, user)
    assert len(consumer.seen("mailboxDeleted", user)) == 1 and not consumer.seen("messageDeleted", user)


@pytest.mark.parametrize("ends", ["it comes back", "it stays"])
def test_killed_while_in_doubt(make_daemon, redis, consumer, fake, user, ends):
    server = Doubtful("INBOX")
    d, told = begin(make_daemon, redis, consumer, fake, user, server,
                    sync_delete_confirm_s=600 if ends == "it comes back" else 3)
    reconnect(d, user, server, server.begin("older"))
    told_of_another(consumer, server, user)
    for _ in range(2):
        d.kill()
        before = len(server.selects())
        d.restart()
        wait_until(lambda: len(server.selects()) >= before + 2, 10, "SELECT")
        told_of_another(consumer, server, user)
    assert not consumer.seen("messageDeleted", user)
    if ends == "it comes back":
        server.end(HAD + 1)
        consumer.wait("messageNew", user, path="INBOX", uid=HAD + 1)
    else:
        consumer.wait("messageDeleted", user, count=HAD - OLDER)
    d.wait_state(user)
    time.sleep(0.5)
    news = assert_told_under_one_id(consumer.seen("messageNew", user), lambda t: (t.json["path"], t.data["uid"]))
    gone = assert_told_under_one_id(consumer.seen("messageDeleted", user), lambda t: t.data["uid"])
    back = ends == "it comes back"
    assert len(news) == told + 3 + back and set(gone) == set(range(OLDER + 1, HAD + 1) if not back else ())
    assert d.page(user)["total"] == (HAD + 1 if back else OLDER)
