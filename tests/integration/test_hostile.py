"""Servers and clients that mean harm: the daemon and the other accounts go on."""
import threading
import time

import pytest
from rig import mail
from rig.imap import Imap
from rig.process import wait_until


def at(commands, data):
    """Answers these commands with data; %T is the tag."""
    def instead(server, command, tag, rest, s):
        if command not in commands:
            return False
        s.sendall(data.replace(b"%T", tag))
        return True
    return instead


def endless_line(server, command, tag, rest, s):
    while command == b"LIST":
        s.sendall(b"y" * 65536)


def floods_after_select(server, command, tag, rest, s):
    while command == b"SELECT":
        s.sendall(b"* 3 EXISTS\r\n" * 5000)


def refuses_other(server, command, tag, rest, s):
    if command != b"SELECT" or b"Other" not in rest:
        return False
    s.sendall(tag + b" NO [SERVERBUG] not today\r\n")
    return True


FETCH = (b"FETCH", b"UID FETCH")
# What a server does -> the state of its account; None: any.
SERVERS = {
    "an endless line": (Imap(endless_line), "connectError"),
    "a literal of 4 GiB": (Imap(at([b"LIST"], b'* LIST () "/" {4294967296}\r\n')), "connectError"),
    "a literal of 2 GiB in FETCH": (Imap(at(FETCH, b"* 1 FETCH (UID 1 BODY[] {2147483648}\r\n")), "connectError"),
    "a literal below zero": (Imap(at([b"LIST"], b'* LIST () "/" {-1}\r\n')), None),
    "FETCH refused": (Imap(at(FETCH, b"%T BAD no\r\n")), "connectError"),
    "no INBOX": (Imap(boxes=("Other",)), "connectError"),
    "lines without end after SELECT": (Imap(floods_after_select), None),
    "everything expunged many times": (Imap(at([b"IDLE"], b"+ i\r\n" + b"* 1 EXPUNGE\r\n" * 20000)), None),
    "more messages than numbers": (Imap(at([b"SELECT"], b"* 99999999999 EXISTS\r\n%T OK done\r\n")), None),
    "thirty thousand mailboxes": (Imap(boxes=["INBOX"] + [f"b{i}" for i in range(30000)]), None),
}


def add(daemon, name, server):
    daemon.post("/v1/account", {"account": name, "name": name, "imap": {
        "auth": {"user": "u", "pass": "p"}, "host": "127.0.0.1", "port": server.port, "secure": False}})


@pytest.mark.parametrize("what", SERVERS)
def test_hostile_server_harms_only_its_own_account(daemon, dovecot, consumer, fake, user, what):
    speak, state = SERVERS[what]
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    add(daemon, "hostile", fake(speak))
    if state is not None:
        daemon.wait_state("hostile", state)
        error = daemon.account("hostile")["lastError"]
        assert error["response"] and error["serverResponseCode"] not in ("Canceled", "Timeout"), error
    dovecot.deliver(user, mail.plain(message_id="<beside@example.com>"))
    consumer.wait("messageNew", user, messageId="<beside@example.com>", seconds=10)
    daemon.delete("/v1/account/hostile")
    assert daemon.health() == 200


def test_mailbox_that_is_refused_does_not_cost_logins_in_a_row(daemon, fake):
    server = fake(Imap(refuses_other))
    add(daemon, "refused", server)
    wait_until(lambda: b"SELECT" in server.speak.commands, 10, "first SELECT")
    time.sleep(3)
    assert server.accepted < 10
    assert server.speak.commands.count(b"SELECT") < 20


def test_account_goes_while_its_messages_are_listed(daemon, dovecot, user):
    for n in range(5):
        dovecot.append(user, "INBOX", mail.plain(n))
    stop, seen = threading.Event(), set()

    def read():
        while not stop.is_set():
            seen.add(daemon.request("GET", f"/v1/account/{user}/messages?path=INBOX").status)
    readers = [threading.Thread(target=read, daemon=True) for _ in range(4)]
    for t in readers:
        t.start()
    for n in range(8):
        daemon.add_account(user, dovecot)
        daemon.wait_state(user)
        daemon.put(f"/v1/account/{user}", {"name": str(n)})
        time.sleep(0.1)
        daemon.delete(f"/v1/account/{user}")
    stop.set()
    for t in readers:
        t.join(10)
    assert daemon.health() == 200
    assert 200 in seen and seen <= {200, 404, 502, 503}


def test_stop_while_accounts_are_removed(make_daemon, redis, dovecot, new_user):
    d = make_daemon(redis.url).start()
    for pause in (0, 0.002, 0.005, 0.01):
        users = [new_user() for _ in range(4)]
        for user in users:
            d.add_account(user, dovecot)

        def remove(user):
            try:
                d.delete(f"/v1/account/{user}")
            except (OSError, AssertionError):
                pass  # the daemon may be gone
        removers = [threading.Thread(target=remove, args=(user,)) for user in users]
        for t in removers:
            t.start()
        time.sleep(pause)
        assert d.stop() == 0
        for t in removers:
            t.join(10)
        d.start()
