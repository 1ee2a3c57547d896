"""Is the index what the server has? Found out without being told, repaired, and shown."""
import re

import pytest

from rig import mail
from rig.dovecot import Dovecot
from rig.process import wait_until
from rig.tap import Tap

OFTEN = {"sync_audit_interval_s": 2, "sync_poll_interval_s": 1, "sync_poll_hot_s": 1}


@pytest.fixture
def liar(work, authority):
    """liar(alter): a Dovecot and a proxy before it that alters what it says."""
    made = []

    def make(alter):
        made.append(Dovecot(work, authority, tls=False))
        made[0].start()
        made.append(Tap(made[0].imap, alter=lambda client, data: data if client else alter(data)))
        return made
    yield make
    for m in reversed(made):
        m.stop() if isinstance(m, Dovecot) else m.close()


def start(make_daemon, redis, consumer, **settings):
    d = make_daemon(redis.url, **settings).start()
    d.hooks(consumer.url)
    return d


def counted(d, name, label):
    found = re.search(rf'^{name}{{[^}}]*"{label}"}} (\d+)$', d.request("GET", "/metrics").body.decode(), re.M)
    return int(found.group(1)) if found else None


def inbox(d, user):
    return next(m for m in d.get(f"/v1/account/{user}/diagnose")["mailboxes"] if m["path"] == "INBOX")


def test_an_index_that_is_right_is_proved(make_daemon, redis, consumer, dovecot, user):
    d = start(make_daemon, redis, consumer, **OFTEN)
    dovecot.fill(user, mail.many(40))
    d.add_account(user, dovecot)
    d.wait_state(user)
    wait_until(lambda: inbox(d, user)["lastProof"], 20, "a proof")
    box = inbox(d, user)
    assert box["audit"] == "equal" and box["messages"] == box["exists"] == box["lastUid"] == 40 and box["lag"] == 0
    assert counted(d, "postrider_audit_total", "equal") > 0
    assert counted(d, "postrider_drift_total", "missing") == counted(d, "postrider_drift_total", "extra") == 0
    dovecot.deliver(user, mail.plain(1))
    consumer.wait("messageNew", user)
    before = inbox(d, user)["lastProof"]
    wait_until(lambda: inbox(d, user)["lastProof"] > before, 20, "another proof")
    assert inbox(d, user)["messages"] == 41
    assert counted(d, "postrider_audit_total", "drift") == 0


def test_a_deletion_told_of_another_message_is_found_and_repaired(make_daemon, redis, consumer, user, liar):
    """The count agrees, so no comparison of counts shows it; the server says the same to every pass."""
    lying = re.compile(rb"VANISHED (\(EARLIER\) )?5\r\n")
    dovecot, proxy = liar(lambda data: lying.sub(lambda m: b"VANISHED %s6\r\n" % (m[1] or b""), data))
    d = start(make_daemon, redis, consumer, **{**OFTEN, "sync_audit_interval_s": 8, "sync_move_window_s": 0})
    dovecot.fill(user, mail.many(8))
    d.add_account(user, dovecot, host="127.0.0.1", port=proxy.port, secure=False, notifyFrom="2020-01-01T00:00:00.000Z")
    d.wait_state(user)
    consumer.wait("messageNew", user, count=8)
    dovecot.expunge(user, "5")
    consumer.wait("messageDeleted", user)
    told = [e.data["uid"] for e in consumer.seen("messageDeleted", user)]
    wait_until(lambda: counted(d, "postrider_audit_total", "drift"), 40, "the drift")
    wait_until(lambda: len(consumer.seen("messageDeleted", user)) > len(told), 20, "the repair")
    wait_until(lambda: {m["uid"] for m in d.messages(user)} == {1, 2, 3, 4, 6, 7, 8}, 20, "the right index")
    consumer.wait("messageNew", user, count=9)
    assert [e.data["uid"] for e in consumer.seen("messageNew", user)][-1] == 6, "it is there after all"
    assert told == [6] and consumer.seen("messageDeleted", user)[-1].data["uid"] == 5
    assert counted(d, "postrider_drift_total", "missing") == counted(d, "postrider_drift_total", "extra") == 1
    wait_until(lambda: inbox(d, user)["audit"] == "equal", 20, "the proof")
    shown = d.get(f"/v1/account/{user}/diagnose")
    assert shown["lastDrift"] <= shown["lastProof"]
    assert "differs from the server" in d.log()


def test_diagnose_shows_a_connected_account(make_daemon, redis, consumer, dovecot, user):
    d = start(make_daemon, redis, consumer)
    dovecot.fill(user, mail.many(3))
    d.add_account(user, dovecot)
    d.wait_state(user)
    wait_until(lambda: d.get(f"/v1/account/{user}/diagnose")["server"]["idle"], 10, "IDLE")
    shown = d.get(f"/v1/account/{user}/diagnose")
    assert shown["state"] == "connected" and shown["phase"] == "online" and shown["lag"] < 60
    assert shown["lastError"] is None and shown["errors"] == [] and shown["quirks"] == []
    assert {"QRESYNC", "IDLE", "NOTIFY"} <= set(shown["server"]["capabilities"])
    assert shown["server"]["enabled"] == ["CONDSTORE", "QRESYNC"] and shown["server"]["notify"] == "names"
    watch = [c for c in shown["connections"] if c["role"] == "watch"]
    assert len(watch) == 1 and watch[0]["state"] == "idle" and watch[0]["path"] == "INBOX" and watch[0]["since"]
    assert shown["backoff"] == {"nextTry": None, "class": None, "attempts": 0, "barredUntil": None,
                                "throttledUntil": None}
    box = inbox(d, user)
    assert box["phase"] == "live" and box["watched"] and not box["pending"] and box["highestModseq"] > 0
    assert box["lastPass"] and box["lastProof"] is None
    server = d.get(f"/v1/account/{user}/diagnose")["server"]
    d.put(f"/v1/account/{user}", {"imap": {"partial": True, "disabled": True}})
    d.wait_state(user, "disconnected")
    after = d.get(f"/v1/account/{user}/diagnose")["server"]
    assert (after["name"], after["capabilities"]) == (server["name"], server["capabilities"])


def test_diagnose_shows_why_an_account_is_not_connected(make_daemon, redis, consumer, dovecot, user, new_user):
    d = start(make_daemon, redis, consumer)
    d.add_account(user, dovecot, password="wrong")
    d.wait_state(user, "authenticationError")
    shown = d.get(f"/v1/account/{user}/diagnose")
    assert shown["phase"] == "waiting" and shown["connections"] == [] and shown["mailboxes"] == []
    assert shown["errors"][0]["class"] == shown["backoff"]["class"] == "auth" and shown["errors"][0]["role"] == "watch"
    assert shown["backoff"]["attempts"] == 1 and shown["backoff"]["nextTry"] and shown["lastError"]["response"]
    assert "wrong" not in str(shown)
    other = new_user()
    d.add_account(other, None, host="127.0.0.1", port=1, secure=False)
    d.wait_state(other, "connectError")
    assert d.get(f"/v1/account/{other}/diagnose")["errors"][0]["class"] == "network"
    assert d.request("GET", "/v1/account/nobody/diagnose").status == 404
