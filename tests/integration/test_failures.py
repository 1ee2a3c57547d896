"""Every class of failure: what the account shows, what is told, and how often the server is bothered."""
import re
import time

import pytest
from rig import mail
from rig.fake import hangs_up, says
from rig.imap import Imap
from rig.process import free_port, wait_until
from rig.redis import Redis


def says_no(command, text, times=1000):
    """Answers the first so many commands of that name with this."""
    left = [times]

    def instead(server, name, tag, rest, s):
        if name != command or left[0] == 0:
            return False
        left[0] -= 1
        s.sendall(tag + b" " + text + b"\r\n")
        return True
    return instead


def breaks_off(command, data):
    def instead(server, name, tag, rest, s):
        if name != command:
            return False
        s.sendall(data)
        s.close()
        raise OSError
    return instead


def add(daemon, port, name="failing", password="p", more=None, **imap):
    daemon.post("/v1/account", {"account": name, "name": name, **(more or {}), "imap": {
        "auth": {"user": "u", "pass": password}, "host": "127.0.0.1", "port": port, "secure": False, **imap}})


# What the server does -> (server, state, code, event, connections within three seconds at most)
CLASSES = {
    "network: hangs up": (hangs_up, "connectError", None, "connectError", 4),
    "network: says goodbye": (says(b"* BYE not now\r\n"), "connectError", None, "connectError", 4),
    "auth": (Imap(says_no(b"LOGIN", b"NO [AUTHENTICATIONFAILED] no")), "authenticationError", "AUTHENTICATIONFAILED",
             "authenticationError", 1),
    "auth, no code": (Imap(says_no(b"LOGIN", b"NO wrong password")), "authenticationError", "EAUTH", "authenticationError", 1),
    "throttled": (Imap(says_no(b"LOGIN", b"NO [THROTTLED] slower")), "connecting", "THROTTLED", None, 1),
    "throttled, a hint": (Imap(says_no(b"LIST", b"BAD Request is throttled. Suggested Backoff Time: 60000 milliseconds")),
                          "connecting", "Throttled", None, 1),
    "too many connections": (Imap(says_no(b"LOGIN", b"NO [ALERT] Too many simultaneous connections. (Failure)")),
                             "connecting", "ALERT", None, 1),
    "protocol": (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "connectError", "ProtocolError", "connectError", 2),
    "no TLS": (says(b"* OK in clear\r\n"), "connectError", None, "connectError", 2),
}


@pytest.mark.parametrize("what", CLASSES)
def test_class_of_failure_shows_and_is_told_once(daemon, consumer, fake, what):
    speak, state, code, event, most = CLASSES[what]
    server = fake(speak)
    add(daemon, server.port, secure=what == "no TLS")
    daemon.wait_state("failing", state)
    wait_until(lambda: daemon.account("failing")["lastError"], 10, "the reason")
    time.sleep(3)
    error = daemon.account("failing")["lastError"]
    assert daemon.account("failing")["state"] == state
    assert error["response"] and (code is None or error["serverResponseCode"] == code), error
    assert server.accepted <= most
    told = [d.event for d in consumer.seen(account="failing") if d.event.endswith("Error")]
    assert told == ([event] if event else [])


def test_nothing_is_sent_within_a_backoff_the_server_asked_for(daemon, fake):
    hint = b"BAD Request is throttled. Suggested Backoff Time: 3000 milliseconds"
    speak = Imap(says_no(b"LIST", hint, times=1))
    server = fake(speak)
    add(daemon, server.port)
    wait_until(lambda: b"LIST" in speak.commands, 10, "the command that is refused")
    before = len(speak.commands)
    for _ in range(5):
        time.sleep(0.5)
        daemon.put("/v1/account/failing/reconnect", {"reconnect": True})
        daemon.request("GET", "/v1/account/failing/message/AAAAAQAAAAE")
    assert len(speak.commands) == before and server.accepted == 1, speak.commands[before:]
    daemon.wait_state("failing", seconds=10)
    assert server.accepted >= 2


def test_refused_credentials_are_not_tried_again_but_new_ones_at_once(make_daemon, redis, consumer, fake):
    def instead(server, name, tag, rest, s):
        if name != b"LOGIN" or b"right" in rest:
            return False
        s.sendall(tag + b" NO [AUTHENTICATIONFAILED] no\r\n")
        return True
    d = make_daemon(redis.url).start()
    d.hooks(consumer.url)
    server = fake(Imap(instead))
    add(d, server.port, password="wrong")
    d.wait_state("failing", "authenticationError")
    logins = server.speak.commands.count(b"LOGIN")
    assert logins == 1
    d.put("/v1/account/failing/reconnect", {"reconnect": True})
    time.sleep(1)
    d.kill()  # what a server locks accounts for must not depend on this process
    d.start()
    time.sleep(1.5)
    assert server.speak.commands.count(b"LOGIN") == logins
    assert d.account("failing")["state"] == "authenticationError"
    assert d.account("failing")["lastError"]["serverResponseCode"] == "AUTHENTICATIONFAILED"
    assert len(consumer.seen("authenticationError")) == 1
    assert not consumer.seen("authenticationSuccess")
    d.put("/v1/account/failing", {"imap": {"auth": {"user": "u", "pass": "right"}, "partial": True}})
    d.wait_state("failing", seconds=10)
    assert consumer.wait("authenticationSuccess").data == {"user": "u"}
    consumer.wait("accountInitialized")
    told = [t.event for t in consumer.seen(account="failing")]
    assert told == ["accountAdded", "authenticationError", "authenticationSuccess", "accountInitialized"]
    d.put("/v1/account/failing/reconnect", {"reconnect": True})
    wait_until(lambda: server.speak.commands.count(b"LOGIN") > logins + 1, 10, "another login")
    assert d.stop() == 0
    d.start()
    d.wait_state("failing", seconds=10)
    assert [t.event for t in consumer.seen(account="failing")] == told, "a login that is no news was told"


def test_outage_of_the_store_costs_the_mail_server_nothing(make_daemon, work, consumer, fake):
    redis = Redis(work, aof=True)
    redis.start()
    try:
        d = make_daemon(redis.url, sync_poll_interval_s=600).start()
        d.hooks(consumer.url)
        sockets = []

        def instead(server, name, tag, rest, s):
            if name == b"IDLE":
                sockets.append(s)
            return False
        server = fake(Imap(instead))
        add(d, server.port, more={"notifyFrom": "2020-01-01T00:00:00Z"})
        d.wait_state("failing")
        time.sleep(4)  # work connections have closed by then
        before = server.accepted
        redis.kill()
        wait_until(lambda: d.metric("postrider_backpressure") == 1, 10, "the mail server left alone")
        for _ in range(3):
            server.speak.messages += 1
            sockets[-1].sendall(b"* %d EXISTS\r\n" % server.speak.messages)
            time.sleep(0.3)
        assert server.accepted == before
        redis.start()
        wait_until(lambda: d.page("failing")["total"] == server.speak.messages, 20, "what came meanwhile")
        assert server.accepted == before, "it connected again"
        assert d.metric("postrider_backpressure") == 0 and d.metric("postrider_backpressure_total") >= 1
    finally:
        redis.stop()


def test_no_room_in_the_store_leaves_mail_where_it_is(make_daemon, work, consumer, dovecot, new_user):
    redis = Redis(work)
    redis.start()
    client = redis.client()

    def limit(times):
        used = int(re.search(rb"^used_memory:(\d+)", client("INFO", "memory"), re.M).group(1))
        client("CONFIG", "SET", "maxmemory", int(used * times))
    try:
        d = make_daemon(redis.url).start()
        d.hooks(consumer.url)
        old, new = new_user(), new_user()
        d.add_account(old, dovecot)
        d.wait_state(old)
        limit(1.05)
        wait_until(lambda: d.metric("postrider_accounts_full") == 1, 10, "a full store")
        connections = d.metric("postrider_imap_connections")
        for n in range(3):
            dovecot.deliver(old, mail.plain(n, message_id=f"<full-{n}@example.com>"))
        dovecot.append(new, "INBOX", mail.plain(9))
        d.add_account(new, dovecot)
        time.sleep(2)
        assert not consumer.seen("messageNew") and not consumer.seen("accountInitialized", new)
        assert d.metric("postrider_imap_connections") >= connections
        limit(1.17)  # between 80 and 90 percent: live data goes first
        for n in range(3):
            consumer.wait("messageNew", old, messageId=f"<full-{n}@example.com>")
        time.sleep(1)
        assert not consumer.seen("accountInitialized", new)
        client("CONFIG", "SET", "maxmemory", 0)
        consumer.wait("accountInitialized", new)
        assert d.page(new)["total"] == 1
    finally:
        client.close()
        redis.stop()


def test_stop_without_the_store_does_not_take_long(make_daemon, work, dovecot, user):
    redis = Redis(work)
    redis.start()
    d = make_daemon(redis.url).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    redis.kill()
    begin = time.time()
    assert d.stop() == 0
    assert time.time() - begin < 10


def test_nobody_listens(daemon, consumer):
    add(daemon, free_port())
    daemon.wait_state("failing", "connectError")
    assert daemon.account("failing")["lastError"]["serverResponseCode"] == "ECONNREFUSED"
    wait_until(lambda: consumer.seen("connectError", "failing"), 10, "the event")
