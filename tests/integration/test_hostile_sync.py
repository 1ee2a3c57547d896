"""Servers that mean harm to the sync engine: it neither breaks nor swells nor spins."""
import re
import time

from rig.imap import Imap
from rig.process import wait_until


def add(daemon, user, server, notify_from="2020-01-01T00:00:00.000Z"):
    daemon.post("/v1/account", {"account": user, "name": user, "notifyFrom": notify_from, "imap": {
        "auth": {"user": "u", "pass": "p"}, "host": "127.0.0.1", "port": server.port, "secure": False}})


def rss_mib(daemon):
    with open(f"/proc/{daemon.process.child.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) // 1024


def test_status_that_throttles_among_others_that_are_not_answered(daemon, fake, user):
    asked = []

    def instead(server, command, tag, rest, s):
        if command == b"STATUS":
            asked.append(rest)
            if len(asked) == 1:
                s.sendall(tag + b" NO [LIMIT] slow down\r\n")
            return True
        return False

    add(daemon, user, fake(Imap(instead, boxes=["INBOX"] + [f"Box{i}" for i in range(10)])))
    wait_until(lambda: daemon.account(user).get("lastError"), 10, "the refusal is told of")
    time.sleep(1)
    assert daemon.health() == 200


def test_search_answered_in_very_many_pieces(daemon, fake, user):
    asked = []

    def instead(server, command, tag, rest, s):
        if command == b"SELECT":  # counts more than there is to fetch
            s.sendall(b"* FLAGS (\\Seen)\r\n* 9 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 4] x\r\n"
                      + tag + b" OK done\r\n")
            return True
        if command == b"UID SEARCH":
            asked.append(rest)
            s.sendall(b"* SEARCH 1 3\r\n" * 20000 + tag + b" OK done\r\n")
            return True
        return False

    add(daemon, user, fake(Imap(instead)))
    wait_until(lambda: asked, 20, "the search")
    time.sleep(1)
    assert rss_mib(daemon) < 600  # copies of copies of what came before: gigabytes
    assert daemon.health() == 200


def test_message_that_is_repeated_without_end(daemon, fake, user):
    def instead(server, command, tag, rest, s):
        while command == b"FETCH":
            s.sendall(b"".join(server.row(i) for i in (1, 2, 3)) * 1000)
        return False

    add(daemon, user, fake(Imap(instead)))
    daemon.wait_state(user, "connectError")
    assert "repeats messages" in daemon.account(user)["lastError"]["response"]


def test_very_many_new_messages_from_the_last_to_the_first(daemon, fake, user):
    count = 21000
    told = []

    def rows(lo, hi):
        return b"".join(b'* %d FETCH (UID %d FLAGS () INTERNALDATE "14-Nov-2023 22:13:20 +0000" RFC822.SIZE %d)\r\n'
                        % (i, i, i) for i in range(hi, lo - 1, -1))

    def instead(server, command, tag, rest, s):
        if command == b"IDLE" and not told:
            told.append(1)
            server.messages = count
            s.sendall(b"+ idling\r\n* %d EXISTS\r\n" % count)
            if s.recv(100).startswith(b"DONE"):
                s.sendall(tag + b" OK done\r\n")
            return True
        if command == b"UID FETCH" and told:
            parts = rest.split(b" ")[0].split(b",")
            for part in parts:
                lo, _, hi = part.partition(b":")
                s.sendall(rows(int(lo), min(int(hi or lo), count)))
            s.sendall(tag + b" OK done\r\n")
            return True
        return False

    add(daemon, user, fake(Imap(instead, boxes=["INBOX"])), "2030-01-01T00:00:00.000Z")
    wait_until(lambda: told, 20, "IDLE")
    wait_until(lambda: daemon.get(f"/v1/account/{user}/messages", path="INBOX")["total"] == count, 60, "all of them")


def test_mailbox_whose_status_is_left_out_of_listings(make_daemon, redis, fake, user):
    lists, asked = [], []

    def instead(server, command, tag, rest, s):
        if command in (b"LOGIN", b"AUTHENTICATE", b"CAPABILITY"):
            s.sendall(b"* CAPABILITY IMAP4rev1 IDLE UIDPLUS LIST-EXTENDED LIST-STATUS\r\n" + tag + b" OK done\r\n")
            return True
        if command == b"LIST":
            s.sendall(b'* LIST () "/" INBOX\r\n* LIST () "/" Other\r\n')
            if b"STATUS" in rest:
                lists.append(rest)
                s.sendall(b"* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 1)\r\n")
            s.sendall(tag + b" OK done\r\n")
            return True
        if command == b"STATUS" and lists:
            asked.append(rest)
        return False

    daemon = make_daemon(redis.url, sync_poll_interval_s=3600, sync_poll_hot_s=3600).start()
    add(daemon, user, fake(Imap(instead)))
    daemon.wait_state(user)
    daemon.put(f"/v1/account/{user}/reconnect", {"reconnect": True})
    wait_until(lambda: lists, 10, "a listing with STATUS")
    wait_until(lambda: asked, 5, "STATUS of the one left out")
    time.sleep(2)
    assert len(lists) == 1 and len(asked) == 1, (len(lists), len(asked))


def test_first_index_that_gets_no_connection_keeps_nobody_waiting(make_daemon, redis, fake, new_user):
    class One(Imap):
        """Lets nobody in besides the first."""
        seen = 0

        def __call__(self, s):
            One.seen += 1
            if One.seen == 1:
                super().__call__(s)
            else:
                s.sendall(b"* BYE full\r\n")
                s.close()

        def answer(self, command, rest):
            n, self.messages = self.messages, 0 if b"INBOX" in rest else self.messages
            try:
                return super().answer(command, rest)
            finally:
                self.messages = n

    daemon = make_daemon(redis.url, sync_index_concurrency=1, sync_poll_interval_s=3600).start()
    add(daemon, new_user(), fake(One()))
    wait_until(lambda: One.seen > 1, 15, "a second connection")
    other = new_user()
    add(daemon, other, fake(Imap(boxes=["INBOX"])))
    daemon.wait_state(other, seconds=10)
