"""kill -9 at bad moments: nothing is lost, nothing is told under two names."""
import threading
import time

from rig import mail
from rig.process import wait_until


def event_ids(deliveries, key):
    """Logical change -> ids it was told under."""
    out = {}
    for d in deliveries:
        out.setdefault(key(d), set()).add(d.id)
    return out


def assert_told_under_one_id(deliveries, key):
    ids = event_ids(deliveries, key)
    assert all(len(found) == 1 for found in ids.values()), {k: v for k, v in ids.items() if len(v) > 1}
    # And no id stands for two changes.
    assert len({i for found in ids.values() for i in found}) == len(ids)
    return ids


def settle(daemon, consumer, seconds=1.0):
    """Until no more deliveries come for a while."""
    wait_until(lambda: (n := len(consumer.seen(accepted=False))) is not None and not time.sleep(seconds)
               and len(consumer.seen(accepted=False)) == n, 20, "quiet")


def test_killed_during_the_initial_index_of_five_thousand(make_daemon, redis, dovecot, consumer, user):
    dovecot.fill(user, mail.many(5000, "crash"))
    dovecot.uids(user)  # Dovecot's own index first, so that the kills hit ours
    d = make_daemon(redis.url, sync_batch_messages=100).start()
    d.hooks(consumer.url)
    d.add_account(user, dovecot)
    wait_until(lambda: d.account(user)["state"] == "syncing", 15, "syncing", pause=0.01)
    time.sleep(0.3)
    assert d.account(user)["state"] == "syncing", "the index was complete before the kill"
    d.kill()
    d.restart()
    # Again at once: in the middle of taking up where the first run ended.
    wait_until(lambda: d.account(user)["state"] in ("syncing", "connected"), 15, "syncing", pause=0.01)
    d.kill()
    d.restart()
    d.wait_state(user, seconds=25)
    consumer.wait("accountInitialized", user)
    settle(d, consumer)
    assert d.page(user)["total"] == 5000
    assert sorted(m["uid"] for m in d.messages(user, size=1000)) == dovecot.uids(user)
    assert not consumer.seen("messageNew"), "the initial index is not news"
    for event in ("accountAdded", "accountInitialized"):
        assert len(event_ids(consumer.seen(event, user), lambda d: d.event)) == 1
        assert len({t.id for t in consumer.seen(event, user)}) == 1


def test_killed_while_changes_come_in(make_daemon, redis, dovecot, consumer, user):
    count = 120
    for n in range(20):
        dovecot.append(user, "INBOX", mail.plain(n, message_id=f"<before-{n}@example.com>"))
    d = make_daemon(redis.url).start()
    d.hooks(consumer.url)
    d.add_account(user, dovecot)
    d.wait_state(user)

    def change():
        for n in range(count):
            dovecot.deliver(user, mail.plain(n, message_id=f"<storm-{n}@example.com>"))
            if n % 12 == 0:
                dovecot.store(user, n // 12 + 1, "+FLAGS (\\Flagged)")
            if n % 12 == 6:
                dovecot.expunge(user, n // 12 + 11)
            time.sleep(0.02)
    changer = threading.Thread(target=change)
    changer.start()
    for _ in range(2):
        time.sleep(0.8)
        d.kill()
        d.restart()
    changer.join()
    d.wait_state(user)
    for n in range(count):
        consumer.wait("messageNew", user, messageId=f"<storm-{n}@example.com>", seconds=20)
    for n in range(10):
        consumer.wait("messageUpdated", user, uid=n + 1)
        consumer.wait("messageDeleted", user, uid=n + 11)
    settle(d, consumer)
    assert_told_under_one_id(consumer.seen("messageNew", user), lambda t: (t.json["path"], t.data["messageId"]))
    assert_told_under_one_id(consumer.seen("messageDeleted", user), lambda t: (t.json["path"], t.data["uid"]))
    assert_told_under_one_id(consumer.seen("messageUpdated", user),
                             lambda t: (t.json["path"], t.data["uid"], str(t.data["changes"])))
    assert sorted(m["uid"] for m in d.messages(user)) == dovecot.uids(user)
    flagged = {m["uid"] for m in d.messages(user) if "\\Flagged" in m["flags"]}
    assert flagged == set(dovecot.uids(user, criteria="FLAGGED"))


def test_killed_while_a_slow_consumer_is_served(make_daemon, redis, dovecot, consumer, user):
    d = make_daemon(redis.url).start()
    d.hooks(consumer.url)
    d.add_account(user, dovecot)
    d.wait_state(user)
    consumer.wait("accountInitialized", user)
    consumer.delay = 0.15
    ids = [f"<slow-{n}@example.com>" for n in range(20)]
    for n, message_id in enumerate(ids):
        dovecot.deliver(user, mail.plain(n, message_id=message_id))
    for at_least in (3, 9):
        wait_until(lambda: len(consumer.seen("messageNew", user)) >= at_least, 15, "deliveries", pause=0.01)
        d.kill()
        d.restart()
    consumer.wait("messageNew", user, messageId=ids[-1], seconds=20)
    told = consumer.seen("messageNew", user)
    assert_told_under_one_id(told, lambda t: t.data["messageId"])
    assert {t.data["messageId"] for t in told} == set(ids)
    # Only what was under way at a kill is repeated, and the order stays.
    assert len(told) <= len(ids) + 2
    first = list(dict.fromkeys(t.data["messageId"] for t in told))
    assert first == ids


def test_killed_between_creation_and_first_connection(make_daemon, redis, dovecot, consumer, new_user):
    d = make_daemon(redis.url).start()
    d.hooks(consumer.url)
    users = [new_user() for _ in range(8)]
    for user in users:
        d.add_account(user, dovecot)
    d.kill()
    d.restart()
    for user in users:
        d.wait_state(user)
        consumer.wait("accountInitialized", user)
        assert len({t.id for t in consumer.seen("accountAdded", user)}) == 1
    assert d.get("/v1/accounts", pageSize=100)["total"] == len(users)


def test_killed_right_after_deletion_the_account_stays_away(make_daemon, redis, dovecot, user):
    d = make_daemon(redis.url).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    d.delete(f"/v1/account/{user}")
    d.kill()
    d.restart()
    assert d.request("GET", f"/v1/account/{user}").status == 404
    assert d.get("/v1/accounts")["total"] == 0
    # The same id can be used again, with nothing of the old one.
    d.add_account(user, dovecot)
    d.wait_state(user)
