"""`syncFrom` bounds the index: what lies below the first message of that date is neither listed nor told of."""
import datetime

import pytest
from rig import mail
from rig.daemon import ApiError
from rig.dovecot import Dovecot
from rig.process import HOST, wait_until

BASE = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE UIDPLUS LIST-EXTENDED SPECIAL-USE NAMESPACE UNSELECT MOVE"
KINDS = {"everything": None, "CONDSTORE": f"{BASE} CONDSTORE ESEARCH LIST-STATUS", "nothing": "IMAP4rev1 IDLE UIDPLUS"}
DAY = 24 * 3600
BIRTH = 1_600_000_000  # of UID 1; one message a day follows
COUNT = 20
FLAGS = "+FLAGS (\\Flagged)"


def date(uid):
    """Of the message with this UID. Messages a day older are indexed as well: mail servers know no time of day."""
    return datetime.datetime.fromtimestamp(BIRTH + uid * DAY, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def servers(authority, module_work):
    made = {}
    for n, (kind, caps) in enumerate(KINDS.items()):
        made[kind] = Dovecot(f"{module_work}/{n}", authority, tls=False,
                             more=f"\nimap_capability = {caps}\n" if caps else "")
        made[kind].start()
    yield made
    for server in made.values():
        server.stop()


def uids(daemon, user, path="INBOX"):
    return sorted(m["uid"] for m in daemon.messages(user, path, 3))


def told(consumer, user, event):
    return [(d.json["path"], d.data["uid"]) for d in consumer.seen(event, user)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_index_begins_at_the_date(kind, servers, make_daemon, redis, consumer, user):
    server = servers[kind]
    for path in (None, "Projects"):
        server.fill(user, mail.many(COUNT), path, when=lambda i: BIRTH + (i + 1) * DAY, flags=("",))
    daemon = make_daemon(redis.url, sync_poll_interval_s=1, sync_flags_refresh_s=1).start()
    daemon.hooks(consumer.url)
    daemon.add_account(user, server, host=HOST, secure=False, syncFrom=date(11), notifyFrom="2001-01-01T00:00:00Z",
                       imap={"resyncDelay": 10})
    daemon.wait_state(user)
    first = 10
    for path in ("INBOX", "Projects"):
        assert uids(daemon, user, path) == list(range(first, COUNT + 1))
    assert daemon.page(user)["total"] == COUNT - first + 1
    listed = {m["path"]: m["messages"] for m in daemon.get(f"/v1/account/{user}/mailboxes")["mailboxes"]}
    assert listed["INBOX"] == listed["Projects"] == COUNT - first + 1
    expected = [(path, uid) for path in ("INBOX", "Projects") for uid in range(first, COUNT + 1)]
    consumer.wait("messageNew", user, count=len(expected))
    assert sorted(told(consumer, user, "messageNew")) == expected

    # below and above
    for path in ("INBOX", "Projects"):
        server.store(user, 3, FLAGS, path)
        server.expunge(user, [2, 5], path)
        server.expunge(user, [12], path)
        server.store(user, 15, FLAGS, path)
        server.append(user, path, mail.plain(100))
    both = [("INBOX", 0), ("Projects", 0)]
    consumer.wait("messageDeleted", user, count=2)
    consumer.wait("messageUpdated", user, count=2)
    consumer.wait("messageNew", user, count=len(expected) + 2)
    assert sorted(told(consumer, user, "messageDeleted")) == [(path, 12) for path, _ in both]
    assert sorted(told(consumer, user, "messageUpdated")) == [(path, 15) for path, _ in both]
    now = [u for u in range(first, COUNT + 2) if u != 12]
    wait_until(lambda: all(uids(daemon, user, path) == now for path, _ in both), 10, "both listings")

    # while nobody looks
    daemon.stop()
    server.expunge(user, [1, 13])
    server.store(user, 4, FLAGS)
    server.store(user, 16, FLAGS)
    server.append(user, "INBOX", mail.plain(101))
    daemon.start()
    consumer.wait("messageUpdated", user, uid=16)
    consumer.wait("messageDeleted", user, uid=13)
    consumer.wait("messageNew", user, uid=COUNT + 2)
    now = [u for u in now if u != 13] + [COUNT + 2]
    wait_until(lambda: uids(daemon, user) == now, 10, "the listing")
    assert len(consumer.seen("messageDeleted", user)) == 3 and len(consumer.seen("messageUpdated", user)) == 3
    lag = {m["path"]: m["lag"] for m in daemon.get(f"/v1/account/{user}/diagnose")["mailboxes"]}
    assert lag["INBOX"] == lag["Projects"] == 0


def test_another_date_moves_the_beginning_silently(dovecot, daemon, consumer, user):
    dovecot.fill(user, mail.many(COUNT), when=lambda i: BIRTH + (i + 1) * DAY)
    dovecot.fill(user, mail.many(COUNT), "Projects", when=lambda i: BIRTH + (i + 1) * DAY)
    daemon.add_account(user, dovecot, notifyFrom="2001-01-01T00:00:00Z", syncFrom=date(11))
    daemon.wait_state(user)
    consumer.wait("messageNew", user, count=22)
    ids = {m["uid"]: m["id"] for m in daemon.messages(user)}
    for when, first in ((date(16), 15), (date(6), 5), (None, 1), ("2100-01-01T00:00:00Z", 99), (date(11), 10)):
        daemon.put(f"/v1/account/{user}", {"syncFrom": when})
        wanted = list(range(first, COUNT + 1))
        wait_until(lambda w=wanted: uids(daemon, user) == uids(daemon, user, "Projects") == w, 10, f"index from {first}")
        assert {m["uid"]: m["id"] for m in daemon.messages(user)} == {u: ids.get(u, i) for u, i in (
            (m["uid"], m["id"]) for m in daemon.messages(user))}, "ids stay"
        if first == 1:
            low = daemon.messages(user)[-1]["id"]
    assert daemon.get(f"/v1/account/{user}/message/{low}")["uid"] == 1, "what lies below can be read"
    # a repeated POST does not move it
    daemon.add_account(user, dovecot)
    dovecot.expunge(user, [3, 11])
    dovecot.deliver(user, mail.plain(1))
    consumer.wait("messageDeleted", user, uid=11)
    consumer.wait("messageNew", user, uid=COUNT + 1)
    wait_until(lambda: uids(daemon, user) == [10, *range(12, COUNT + 2)], 10, "the listing")
    assert told(consumer, user, "messageDeleted") == [("INBOX", 11)]
    # Who expunges a message flags it first, which may be seen.
    updated = [e.data for e in consumer.seen("messageUpdated", user)]
    assert len(consumer.seen("messageNew", user)) == 23
    assert all(u["uid"] == 11 and u["changes"]["flags"]["added"] == ["\\Deleted"] for u in updated)


def test_a_date_that_is_none_is_refused(daemon, dovecot, user):
    with pytest.raises(ApiError) as refused:
        daemon.add_account(user, dovecot, syncFrom="yesterday")
    assert refused.value.reply.status == 400
