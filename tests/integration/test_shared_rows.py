"""Listings that wait for a connection to the same mailbox share one FETCH, and nothing else: no failure, no rows."""
import json
import socket
import threading
import time

import pytest
from rig.imap import Imap
from rig.process import HOST, wait_until

MESSAGES, SIZE, CONNECTIONS = 60, 5, 3


class Server(Imap):
    """While it holds, each FETCH of rows or of a message waits until it is let go. spoil(set, socket): true if it
    was answered there."""

    def __init__(self):
        super().__init__(self.instead_of, ["INBOX", "Other"], MESSAGES)
        self.asked, self.held, self.subject = [], 0, "s"
        self.holds, self.spoil = False, lambda uids, tag, s: False
        self.messages_go, self.rows_go = threading.Semaphore(0), threading.Semaphore(0)

    def instead_of(self, _, command, tag, rest, s):
        if command != b"UID FETCH" or b"RFC822.SIZE" not in rest or b"MODSEQ" in rest or not self.holds:
            return False
        uids = rest.split(b" ")[0].decode()
        if b"HEADER" in rest:
            self.held += 1
            return not self.messages_go.acquire(timeout=60)
        self.asked.append(uids)
        assert self.rows_go.acquire(timeout=60)
        return self.spoil(uids, tag, s)

    def row(self, i):
        return super().row(i).replace(b'(NIL "s"', b'(NIL "%s"' % self.subject.encode())

    def let_go(self):
        self.messages_go.release(1000)
        self.rows_go.release(1000)


class Client:
    """Asks in the background."""

    def __init__(self, daemon, path):
        self.reply = None
        self.socket = socket.create_connection((HOST, daemon.port), 60)
        self.socket.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
                            b"X-EE-Timeout: 20000\r\n\r\n" % (path.encode(), daemon.token.encode()))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            self.reply = b"".join(iter(lambda: self.socket.recv(65536), b""))
        except OSError:
            pass  # it has left

    def leave(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def status(self, seconds=30):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "no answer"
        return int(self.reply.split(b" ")[1])


class Page(Client):
    def __init__(self, daemon, user, page, path="INBOX"):
        super().__init__(daemon, f"/v1/account/{user}/messages?path={path}&page={page}&pageSize={SIZE}")
        self.page = page

    def shows_its_rows(self, seconds=30):
        assert self.status(seconds) == 200, self.reply
        rows = json.loads(self.reply.split(b"\r\n\r\n", 1)[1])["messages"]
        newest = MESSAGES - self.page * SIZE
        return [row["uid"] for row in rows] == list(range(newest, newest - SIZE, -1))


@pytest.fixture
def busy(make_daemon, redis, consumer, fake, user):
    """busy(seen=pages looked at before): an account whose connections are all held: who lists now waits."""
    class Busy:
        def __init__(self, seen=(0,), subject="s", **settings):
            self.server = Server()
            self.server.subject = subject
            self.daemon = make_daemon(redis.url, **settings).start()
            self.daemon.hooks(consumer.url)
            self.daemon.add_account(user, None, host="127.0.0.1", port=fake(self.server).port, secure=False)
            self.daemon.wait_state(user)
            consumer.wait("accountInitialized", user)
            for page in seen:
                assert Page(self.daemon, user, page).shows_its_rows()
            message = self.daemon.page(user, page=seen[0], size=SIZE)["messages"][0]["id"]
            self.server.holds, self.readers = True, []
            for i in range(CONNECTIONS):
                self.readers.append(Client(self.daemon, f"/v1/account/{user}/message/{message}"))
                wait_until(lambda: self.server.held == i + 1, 20, "a message read on each connection")

        def ask(self, *pages):
            """In this order; the first one asks for some of them once a connection is free."""
            clients = []
            for page in pages:
                clients.append(Page(self.daemon, user, page))
                time.sleep(0.05)
            time.sleep(0.3)
            return clients

        def share(self):
            """A connection gets free: the first of those that wait asks, and its answer is held."""
            self.server.messages_go.release()
            wait_until(lambda: len(self.server.asked) == 1, 20, "the shared FETCH")

        def ends(self):
            self.server.let_go()
            return all(reader.status() == 200 for reader in self.readers)
    return Busy


def test_pages_that_wait_come_with_one_fetch(busy):
    b = busy()
    waiting = b.ask(5, 3, 4, 5, 5)
    b.share()
    assert b.server.asked == ["31:45"]
    assert b.ends() and all(client.shows_its_rows() for client in waiting)
    assert b.server.asked == ["31:45"]


def test_what_is_shared_has_a_bound(busy):
    b = busy()
    waiting = b.ask(*[1 + i % 11 for i in range(44)])
    b.share()
    assert b.ends() and all(client.shows_its_rows() for client in waiting)
    assert len(b.server.asked) >= 2


def test_long_answers_are_not_shared(busy):
    b = busy(subject="x" * 60000)
    waiting = b.ask(3, 3, 4)
    b.share()
    assert b.server.asked == ["41:45"]
    assert b.ends() and all(client.shows_its_rows() for client in waiting)


def test_a_slow_server_is_asked_for_one_page_at_a_time(busy):
    b = busy(seen=(0, 1))

    def slowly(uids, tag, s):
        for i in range(41, 46) if uids == "41:45" else ():
            s.sendall(b.server.row(i))
            time.sleep(0.05)
        return False
    b.server.spoil = slowly
    first = b.ask(3)
    b.share()
    waiting = b.ask(4, 5, 5)
    b.server.rows_go.release()
    wait_until(lambda: len(b.server.asked) == 2, 20, "the next FETCH")
    assert b.server.asked[1] == "36:40"
    assert b.ends() and all(client.shows_its_rows() for client in first + waiting)


def test_others_get_their_rows_when_the_one_who_asked_leaves(busy):
    b = busy()
    leaver, *others = b.ask(3, 4, 5)
    b.share()
    leaver.leave()
    time.sleep(0.3)
    assert b.ends() and all(client.shows_its_rows() for client in others)


def test_the_one_who_asked_gets_its_rows_when_others_leave(busy):
    b = busy()
    asker, leaver, other = b.ask(3, 4, 5)
    b.share()
    leaver.leave()
    time.sleep(0.3)
    assert b.ends() and asker.shows_its_rows() and other.shows_its_rows()
    assert b.server.asked == ["31:45"]


def test_all_leave(busy, user):
    b = busy()
    waiting = b.ask(3, 4, 5)
    b.share()
    for client in waiting:
        client.leave()
    time.sleep(0.3)
    assert b.ends() and Page(b.daemon, user, 6).shows_its_rows()


def refuses(tag, s):
    s.sendall(tag + b" NO some of the messages have gone\r\n")
    return True


def hangs_up(tag, s):
    s.sendall(b"* 41 FETCH (UID 41 FLAGS () INTERN")
    s.shutdown(socket.SHUT_RDWR)
    return True


def understands_nothing(tag, s):
    s.sendall(tag + b" BAD what?\r\n")
    return True


@pytest.mark.parametrize("spoil", [refuses, hangs_up, understands_nothing])
def test_a_shared_fetch_that_fails_fails_for_nobody(busy, spoil):
    b = busy()
    b.server.spoil = lambda uids, tag, s: b.server.asked == ["31:45"] and uids == "31:45" and spoil(tag, s)
    waiting = b.ask(3, 4, 5)
    b.share()
    assert b.server.asked == ["31:45"]
    assert b.ends() and all(client.shows_its_rows() for client in waiting)
    if spoil is not hangs_up:  # perhaps because of what others asked for
        assert sorted(b.server.asked[1:]) == ["31:35", "36:40", "41:45"]


def test_an_error_is_that_of_the_one_who_asked(busy):
    b = busy()
    b.server.spoil = lambda uids, tag, s: uids in ("31:45", "41:45") and understands_nothing(tag, s)
    asker, *others = b.ask(3, 4, 5)
    b.share()
    assert b.ends() and asker.status() >= 500
    assert all(client.shows_its_rows() for client in others)


def test_one_fetch_without_an_answer_holds_up_nobody_else(busy):
    b, never = busy(), threading.Event()
    b.server.spoil = lambda uids, tag, s: uids == "31:45" and never.wait(30)
    asker, *others = b.ask(3, 4, 5)
    b.share()
    began = time.monotonic()
    assert b.ends() and all(client.shows_its_rows(10) for client in others)
    assert time.monotonic() - began < 4 and asker.thread.is_alive()
    assert asker.shows_its_rows(10)
    never.set()


def test_a_shared_fetch_that_takes_long_brings_its_rows_all_the_same(busy):
    b = busy()
    b.server.spoil = lambda uids, tag, s: time.sleep(1.6)
    waiting = b.ask(3, 4, 5)
    b.share()
    b.server.rows_go.release(1000)
    assert all(client.shows_its_rows() for client in waiting)
    assert b.server.asked == ["31:45"] and b.ends()


def test_other_mailboxes_are_asked_for_apart(busy, user):
    b = busy()
    elsewhere = Page(b.daemon, user, 3, path="Other")
    time.sleep(0.1)
    waiting = b.ask(3, 4)
    b.share()
    assert b.server.asked == ["41:45"]
    assert b.ends() and elsewhere.shows_its_rows() and all(client.shows_its_rows() for client in waiting)


def resident_mb(daemon):
    with open(f"/proc/{daemon.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) // 1024


def test_rows_of_another_size_again_and_again_take_no_memory(busy):
    b = busy(seen=(0, 3), subject="x" * 20000)
    peak = []

    def lies(uids, tag, s):
        if b.server.asked != ["41:45"] or uids != "41:45" or peak:
            return False
        for _ in range(4000):
            s.sendall(b"* 45 FETCH (UID 45 FLAGS () RFC822.SIZE 51)\r\n")
        time.sleep(0.5)
        peak.append(resident_mb(b.daemon))
        return False
    b.server.spoil = lies
    waiting = b.ask(3, 3, 3, 3)
    b.share()
    assert b.server.asked == ["41:45"]
    before = resident_mb(b.daemon)
    assert b.ends() and all(client.shows_its_rows() for client in waiting)
    assert peak[0] - before < 60, (before, peak)


def test_an_account_that_goes_ends_them_all(busy, user):
    b = busy()
    waiting = b.ask(3, 4, 5)
    b.share()
    assert b.daemon.request("DELETE", f"/v1/account/{user}").status == 200
    assert all(client.status() in (404, 503) for client in b.readers[1:] + waiting)
    b.server.let_go()
