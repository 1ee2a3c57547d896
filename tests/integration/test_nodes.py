"""Two nodes on one store: only the one that holds the leases writes."""
import os
import signal
import time

import pytest
from rig import mail
from rig.process import wait_until

LEASE_S = 2


@pytest.fixture
def nodes(make_daemon, redis, consumer):
    """The first has the accounts; the second can read what the first stored."""
    first = make_daemon(redis.url, redis_lease_s=LEASE_S).start()
    first.hooks(consumer.url)
    with open(os.path.join(first.settings["data_dir"], "secret.key")) as f:
        key = f.read().strip()
    second = make_daemon(redis.url, redis_lease_s=LEASE_S, secret_key=key)
    second.token = first.token
    return first, second


def epochs(redis):
    client = redis.client()
    try:
        return {key: client("GET", key) for key in client.keys("*:epoch")}
    finally:
        client.close()


def test_node_that_slept_past_its_lease_writes_nothing_and_lives_on(nodes, redis, dovecot, consumer, user):
    first, second = nodes
    first.add_account(user, dovecot)
    first.wait_state(user)
    second.launch()
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        second.wait_healthy(15 + LEASE_S)
        second.wait_state(user, seconds=15)
        dovecot.deliver(user, mail.plain(message_id="<second@example.com>"))
        consumer.wait("messageNew", user, messageId="<second@example.com>")
        second.put(f"/v1/account/{user}", {"name": "Of the second"})
        before = epochs(redis)
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    wait_until(lambda: first.log().count("leases lost") == 1, 15, "the line about the leases")
    dovecot.deliver(user, mail.plain(message_id="<after@example.com>"))
    told = consumer.wait("messageNew", user, messageId="<after@example.com>")
    time.sleep(2)
    assert [d.id for d in consumer.seen("messageNew", user) if d.data["messageId"] == "<after@example.com>"] == [told.id]
    assert epochs(redis) == before, "the first node took a lease back"
    assert first.log().count("leases lost") == 1
    assert first.process.running() and first.health() == 200
    assert first.metric("postrider_imap_connections") == 0
    assert second.page(user)["total"] == 2
    assert second.get(f"/v1/account/{user}/diagnose")["phase"] == "online"
    shown = first.get(f"/v1/account/{user}/diagnose")
    assert shown["phase"] == "elsewhere" and shown["syncTime"] and "mailboxes" not in shown
    shown = first.account(user)
    assert shown["name"] == "Of the second" and shown["connections"] == 0
    # When the second goes, the first is there to take over.
    assert second.stop() == 0
    first.wait_state(user, seconds=15)
    dovecot.deliver(user, mail.plain(message_id="<first@example.com>"))
    consumer.wait("messageNew", user, messageId="<first@example.com>")
