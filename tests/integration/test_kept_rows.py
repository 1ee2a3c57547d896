"""Rows of listings are kept: what cannot change of a message is asked for once, everything else each time."""
import threading

import pytest
from rig import mail
from rig.dovecot import Dovecot
from rig.process import wait_until
from rig.tap import Tap


@pytest.fixture(scope="module")
def server(authority, module_work):
    dovecot = Dovecot(f"{module_work}/kept", authority, tls=False)
    dovecot.start()
    yield dovecot
    dovecot.stop()


@pytest.fixture
def listed(make_daemon, redis, consumer, server, user):
    """The account of a daemon behind a tap, and how often bodies were asked for."""
    tap = Tap(server.imap)

    class Listed:
        def start(self, messages, **settings):
            server.fill(user, messages)
            self.daemon = make_daemon(redis.url, **settings).start()
            self.daemon.hooks(consumer.url)
            self.daemon.add_account(user, server, host="127.0.0.1", port=tap.port, secure=False)
            self.daemon.wait_state(user)
            consumer.wait("accountInitialized", user)
            return self

        def rows(self, path="INBOX", size=20):
            return self.daemon.page(user, path, size=size)["messages"]

        def names(self, path):
            """None while the mailbox cannot be listed."""
            reply = self.daemon.request("GET", f"/v1/account/{user}/messages?path={path}")
            return [m["messageId"] for m in reply.json["messages"]] if reply.status == 200 else None

        def fetches(self):
            """Commands that ask for rows of a listing: of everything, of what may change."""
            sent = b"".join(c.text(True) for c in list(tap.connections)).split(b"\r\n")
            rows = [line for line in sent if b"UID FETCH" in line and b"RFC822.SIZE" in line and b"MODSEQ" not in line]
            full = sum(b"ENVELOPE" in line for line in rows)
            return full, len(rows) - full
    yield Listed()
    tap.close()


def test_second_listing_asks_only_for_what_may_change(listed, server, consumer, user):
    box = listed.start([mail.rich(f"<kept-{i}@example.com>") for i in range(30)])
    first = box.rows()
    full, live = box.fetches()
    assert (full, live) == (1, 0)
    assert box.rows() == first
    assert box.fetches() == (1, 1)
    # Flags are those of now.
    server.store(user, [first[0]["uid"]], "+FLAGS (\\Flagged \\Answered kept)")
    consumer.wait("messageUpdated", user, uid=first[0]["uid"])
    row = box.rows()[0]
    assert {"\\Flagged", "\\Answered", "kept"} <= set(row["flags"]) and row["flagged"] and row["answered"]
    same = ("id", "uid", "path", "date", "size", "subject", "from", "to", "messageId", "attachments", "text", "threadId")
    assert {k: row.get(k) for k in same} == {k: first[0].get(k) for k in same}
    assert box.fetches() == (1, 2)
    # One that is new makes the page one to be asked for as before.
    server.deliver(user, mail.plain(1, message_id="<new@example.com>"))
    consumer.wait("messageNew", user, messageId="<new@example.com>")
    assert [r["messageId"] for r in box.rows()][:2] == ["<new@example.com>", first[0]["messageId"]]
    assert box.fetches() == (2, 2)
    assert box.rows(size=100)[0]["messageId"] == "<new@example.com>" and len(box.rows(size=100)) == 31
    server.expunge(user, [first[0]["uid"]])
    consumer.wait("messageDeleted", user, uid=first[0]["uid"])
    assert first[0]["uid"] not in [r["uid"] for r in box.rows(size=100)]


def test_listings_that_wait_for_a_connection_share_what_is_asked_for(listed):
    box = listed.start([mail.rich(f"<kept-{i}@example.com>") for i in range(30)])
    waiting = [threading.Thread(target=box.rows) for _ in range(40)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    full, live = box.fetches()
    assert 1 <= full <= 10 and full + live <= 20, (full, live)


def test_message_that_was_listed_is_in_the_thread_of_its_row(listed, server, user):
    box = listed.start([mail.rich(f"<thread-{i}@example.com>") for i in range(3)])
    wait_until(lambda: all("threadId" in row for row in box.rows()), 20, "threads")
    rows, path = box.rows(), f"/v1/account/{user}/message/"
    for row in rows:
        assert listed.daemon.get(path + row["id"])["threadId"] == row["threadId"]
    # The thread is asked for while the message turns out to be gone.
    server.expunge(user, [rows[0]["uid"]])
    wait_until(lambda: listed.daemon.request("GET", path + rows[0]["id"]).status == 404, 10, "404")
    assert listed.daemon.get(path + rows[1]["id"])["threadId"] == rows[1]["threadId"]


def test_kept_rows_show_the_mailbox_they_are_in_now(listed, server, consumer, user):
    server.fill(user, mail.many(3), mailbox="Before")
    box = listed.start([mail.plain(0)])
    wait_until(lambda: len(listed.daemon.messages(user, "Before")) == 3, 10, "three messages")
    before = box.rows("Before")
    assert {r["path"] for r in before} == {"Before"}
    with server.client(user) as c:
        c.rename("Before", "After")
    wait_until(lambda: "After" in [m["path"] for m in listed.daemon.get(f"/v1/account/{user}/mailboxes")["mailboxes"]],
               20, "the new name")
    wait_until(lambda: len(listed.daemon.messages(user, "After")) == 3, 10, "the messages under the new name")
    after = box.rows("After")
    assert {r["path"] for r in after} == {"After"}
    assert [r["id"] for r in after] == [r["id"] for r in before]


def test_another_mailbox_of_the_same_name_shows_none_of_them(listed, server, consumer, user):
    server.fill(user, [mail.plain(1, message_id="<former@example.com>")], mailbox="Again")
    box = listed.start([mail.plain(0)])
    wait_until(lambda: listed.daemon.messages(user, "Again"), 10, "the message")
    former = box.rows("Again")[0]
    assert box.rows("Again") == [former]
    with server.client(user) as c:
        c.delete("Again")
        c.create("Again")
    server.append(user, "Again", mail.plain(2, message_id="<latter@example.com>"))
    wait_until(lambda: listed.names("Again") == ["<latter@example.com>"], 20, "the other mailbox")
    assert box.rows("Again")[0]["id"] != former["id"]


def test_nothing_is_kept_where_that_is_off(listed):
    box = listed.start([mail.plain(i) for i in range(5)], sync_rows_cache_mib=0)
    assert box.rows() == box.rows()
    assert box.fetches() == (2, 0)
