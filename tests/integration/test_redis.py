"""The store: every way to reach it, and what happens when it goes away."""
import os

import pytest
from rig import mail
from rig.process import wait_until
from rig.redis import Redis


def test_daemon_waits_for_redis_and_reports_ill_health_meanwhile(make_daemon, work, dovecot, user):
    redis = Redis(work)
    d = make_daemon(redis.url)
    d.launch()
    wait_until(lambda: d.health() == 500, 10, "health 500")
    assert d.request("GET", "/health", token=None).json["statusCode"] == 500
    redis.start()
    try:
        d.wait_healthy(15)
        d.token = d.issue_token()
        d.add_account(user, dovecot)
        d.wait_state(user)
    finally:
        d.stop()
        redis.stop()


def test_requests_without_redis_fail_quickly_and_work_again_later(make_daemon, work, dovecot, user):
    redis = Redis(work, aof=True)
    redis.start()
    d = make_daemon(redis.url).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    redis.kill()
    wait_until(lambda: d.health() == 500, 15, "health 500")
    for path in ("/v1/accounts", f"/v1/account/{user}", "/v1/settings"):
        assert d.request("GET", path, seconds=20).status in (200, 500, 503)
    assert d.request("POST", "/v1/settings", {"serviceUrl": "http://localhost/"}, seconds=20).status in (500, 503)
    redis.start()
    try:
        d.wait_healthy(20)
        d.wait_state(user)
        assert d.page(user)["total"] == 0
    finally:
        d.stop()
        redis.stop()


def test_nothing_is_lost_when_redis_is_killed_and_restarted(make_daemon, work, dovecot, consumer, user):
    redis = Redis(work, aof=True)
    redis.start()
    d = make_daemon(redis.url).start()
    d.hooks(consumer.url)
    d.add_account(user, dovecot)
    d.wait_state(user)
    ids = []

    def deliver(count):
        for _ in range(count):
            ids.append(f"<outage-{len(ids)}@example.com>")
            dovecot.deliver(user, mail.plain(len(ids), message_id=ids[-1]))
    try:
        deliver(10)
        redis.kill()
        deliver(10)  # the mail server does not care
        redis.start()
        deliver(10)
        for message_id in ids:
            consumer.wait("messageNew", user, messageId=message_id, seconds=25)
        by_message = {}
        for told in consumer.seen("messageNew", user):
            by_message.setdefault(told.data["messageId"], set()).add(told.id)
        assert all(len(event_ids) == 1 for event_ids in by_message.values())
        assert d.page(user)["total"] == 30
    finally:
        d.stop()
        redis.stop()


def test_store_that_may_evict_is_refused_by_name_of_the_setting(make_daemon, work):
    redis = Redis(work, options=("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"))
    redis.start()
    try:
        d = make_daemon(redis.url)
        d.launch()
        wait_until(lambda: "noeviction" in d.log(), 10, "the reason in the log")
        assert "allkeys-lru" in d.log()
        assert not d.process.running() or d.health() == 500
        d.stop() if d.process.running() else None
        assert not redis.client().keys()
        allowed = make_daemon(redis.url, redis_allow_eviction="true")
        allowed.start()
        assert allowed.stop() == 0
    finally:
        redis.stop()


def test_redis_over_tls_needs_a_certificate_of_the_given_authority(make_daemon, work, authority, dovecot, user):
    redis = Redis(work, tls=(authority, authority.issue("redis")))
    redis.start()
    try:
        stranger = make_daemon(redis.tls_url)
        stranger.launch()
        wait_until(lambda: stranger.health() == 500, 10, "health 500")
        assert stranger.stop() == 0
        d = make_daemon(redis.tls_url, redis_ca_file=authority.file).start()
        d.add_account(user, dovecot)
        d.wait_state(user)
        d.stop()
    finally:
        redis.stop()


def test_redis_over_a_unix_socket(make_daemon, redis, dovecot, user):
    d = make_daemon(redis.unix_url).start()
    d.add_account(user, dovecot)
    d.wait_state(user)


@pytest.fixture
def embedded(make_daemon):
    return make_daemon(None)


def test_embedded_redis_keeps_everything_over_restarts(embedded, dovecot, consumer, user):
    embedded.start()
    embedded.hooks(consumer.url)
    dovecot.append(user, "INBOX", mail.plain(1))
    embedded.add_account(user, dovecot)
    embedded.wait_state(user)
    assert embedded.stop() == 0
    dovecot.deliver(user, mail.plain(2, message_id="<later@example.com>"))
    embedded.start()
    embedded.wait_state(user)
    consumer.wait("messageNew", user, messageId="<later@example.com>")
    assert embedded.page(user)["total"] == 2


def servers_of(data_dir):
    """Processes that were started for this data directory, by their working directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                name = f.read().strip()
            if name.startswith("redis-server") and os.readlink(f"/proc/{pid}/cwd").startswith(data_dir):
                found.append(int(pid))
        except OSError:
            pass
    return found


def test_embedded_redis_ends_with_the_daemon_also_when_it_is_killed(embedded):
    data = os.path.realpath(embedded.settings["data_dir"])
    embedded.start()
    assert len(servers_of(data)) == 1
    assert embedded.stop() == 0
    wait_until(lambda: not servers_of(data), 10, "end of the embedded server")
    embedded.start()
    embedded.kill()
    embedded.start()
    assert len(servers_of(data)) == 1
    embedded.kill()
    wait_until(lambda: not servers_of(data), 15, "end of the embedded server after a kill")


def test_embedded_redis_that_dies_is_started_again(embedded, dovecot, user):
    data = os.path.realpath(embedded.settings["data_dir"])
    embedded.start()
    embedded.add_account(user, dovecot)
    embedded.wait_state(user)
    os.kill(servers_of(data)[0], 9)
    wait_until(lambda: servers_of(data) and embedded.health() == 200, 20, "a new embedded server")
    embedded.wait_state(user)


def test_lost_master_key_refuses_to_start_and_touches_nothing(make_daemon, redis, dovecot, user):
    d = make_daemon(redis.url).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    assert d.stop() == 0
    client = redis.client()
    before = {k: client("OBJECT", "ENCODING", k) for k in client.keys()}
    os.rename(f"{d.settings['data_dir']}/secret.key", f"{d.settings['data_dir']}/saved")
    d.launch()
    assert d.process.child.wait(15) == 1
    assert "key" in d.log()
    assert not os.path.exists(f"{d.settings['data_dir']}/secret.key")
    assert set(before) == set(client.keys())
    os.rename(f"{d.settings['data_dir']}/saved", f"{d.settings['data_dir']}/secret.key")
    d.start()
    d.wait_state(user)
    client.close()
