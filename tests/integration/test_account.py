"""Accounts: reaching the server in every permitted way, and saying why it cannot be reached."""
import pytest
from rig import mail
from rig.certs import Authority
from rig.dovecot import PASSWORD, Dovecot
from rig.fake import hangs_up, says, stalls
from rig.process import free_port, wait_until


def imap_object(user, port, secure=True, password=PASSWORD, host="localhost", **more):
    return {"auth": {"user": user, "pass": password}, "host": host, "port": port, "secure": secure, **more}


def initialized(consumer, account):
    consumer.wait("accountInitialized", account)
    added = consumer.wait("accountAdded", account)
    assert added.data == {"account": account}


def test_tls_account_connects_and_tells_so(daemon, dovecot, consumer, user):
    reply = daemon.add_account(user, dovecot)
    assert reply == {"account": user, "state": "new"}
    daemon.wait_state(user)
    initialized(consumer, user)
    events = [d.event for d in consumer.seen(account=user)]
    assert events == ["accountAdded", "authenticationSuccess", "accountInitialized"]
    assert consumer.seen("authenticationSuccess", user)[0].data == {"user": user}
    assert consumer.seen("accountInitialized", user)[0].data == {"initialized": True}


def test_starttls_account_connects(daemon, dovecot, consumer, user):
    daemon.add_account(user, dovecot, secure=False)
    daemon.wait_state(user)
    initialized(consumer, user)


def test_plain_account_connects_over_loopback(daemon, fake, consumer, user, work, authority):
    server = Dovecot(work, authority, tls=False)
    server.start()
    try:
        daemon.add_account(user, server, secure=False, host="127.0.0.1")
        daemon.wait_state(user)
        initialized(consumer, user)
    finally:
        server.stop()


def test_account_is_shown_without_its_password(shared, dovecot, user):
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    shown = shared.request("GET", f"/v1/account/{user}")
    assert PASSWORD.encode() not in shown.body
    a = shown.json
    assert a["account"] == user and a["email"] == f"{user}@example.com"
    assert a["imap"]["auth"]["user"] == user and a["imap"]["port"] == dovecot.imaps
    row = [r for r in shared.get("/v1/accounts", pageSize=1000)["accounts"] if r["account"] == user]
    assert len(row) == 1 and row[0]["state"] == "connected"
    # With the quota it is made anew, else its settings come from a text that is kept.
    made = shared.get(f"/v1/account/{user}", quota="true")
    moving = {"quota", "syncTime", "counters", "connections"}
    assert {k: v for k, v in made.items() if k not in moving} == {k: v for k, v in a.items() if k not in moving}


def test_account_shows_its_last_look_its_events_and_its_connections(daemon, dovecot, consumer, user):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    first = daemon.account(user)
    assert first["connections"] >= 1 and first["syncTime"] and first["counters"]["events"]["accountAdded"] == 1
    for n in range(3):
        dovecot.deliver(user, mail.plain(n))
    consumer.wait("messageNew", user, count=3)
    daemon.put(f"/v1/account/{user}/sync", {"sync": True})
    wait_until(lambda: daemon.account(user)["syncTime"] > first["syncTime"], 20)
    events = daemon.account(user)["counters"]["events"]
    assert events == {"accountAdded": 1, "authenticationSuccess": 1, "accountInitialized": 1, "messageNew": 3}
    shown = daemon.account(user)["syncTime"]
    daemon.stop()
    daemon.start()
    wait_until(lambda: daemon.account(user)["counters"]["events"] == events, 20)
    daemon.wait_state(user)
    assert daemon.account(user)["syncTime"] >= shown
    row = [r for r in daemon.get("/v1/accounts", pageSize=1000)["accounts"] if r["account"] == user][0]
    assert row["counters"]["events"] == events and row["syncTime"]


def test_account_without_any_server_is_unset(daemon, user):
    daemon.post("/v1/account", {"account": user, "name": "Nobody"})
    daemon.wait_state(user, "unset")
    shown = daemon.account(user)
    assert shown["connections"] == 0 and "syncTime" not in shown
    # Settings that are too long to be kept as text are written anew each time.
    headers = [{"key": f"X-{n}", "value": "v" * 200} for n in range(200)]
    daemon.put(f"/v1/account/{user}", {"webhooksCustomHeaders": headers})
    daemon.wait_state(user, "unset")
    for _ in range(5):
        assert daemon.account(user) == {**shown, "webhooksCustomHeaders": headers}


def test_account_can_be_updated_and_deleted(daemon, dovecot, consumer, user):
    daemon.add_account(user, dovecot, password="not it")
    daemon.wait_state(user, "authenticationError")
    daemon.put(f"/v1/account/{user}", {"imap": imap_object(user, dovecot.imaps)})
    daemon.wait_state(user)
    for name in ("Another Name", "Yet Another"):
        daemon.put(f"/v1/account/{user}", {"name": name})
        assert [daemon.account(user)["name"] for _ in range(10)] == [name] * 10
    reply = daemon.delete(f"/v1/account/{user}")
    assert reply["deleted"] is True
    assert daemon.request("GET", f"/v1/account/{user}").status == 404
    consumer.wait("accountDeleted", user)


def test_deleting_an_account_leaves_no_key_of_it(daemon, dovecot, redis, user, new_user):
    other = new_user()
    daemon.add_account(other, dovecot)
    daemon.wait_state(other)
    client = redis.client()
    before = {k for k in client.keys() if client("TYPE", k) in ("hash", "set", "string") }
    dovecot.fill(user, [b"Subject: x\r\n\r\ny\r\n"] * 5)
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    daemon.delete(f"/v1/account/{user}")
    def per_account(keys):
        return {k for k in keys if any(part in k for part in (b":a:", b":f:", b":m:", b":cur:", b":q:", b":b:"))}
    assert per_account(client.keys()) == per_account(before)
    client.close()


FAILURES = {
    "wrong password": ("authenticationError", "authenticationError"),
    "unknown host": ("connectError", "connectError"),
    "refused port": ("connectError", "connectError"),
    "certificate of a stranger": ("connectError", "connectError"),
    "certificate of another host": ("connectError", "connectError"),
    "not IMAP": ("connectError", "connectError"),
    "not TLS": ("connectError", "connectError"),
    "hangs up": ("connectError", "connectError"),
    "greets with BYE": ("connectError", "connectError"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_failure_shows_state_reason_and_event(daemon, dovecot, consumer, user, fake, work, authority,
                                                  failure):
    state, event = FAILURES[failure]
    imap = imap_object(user, dovecot.imaps)
    strange = None
    if failure == "wrong password":
        imap["auth"]["pass"] = "not it"
    elif failure == "unknown host":
        imap["host"] = "no-such-host.invalid"
    elif failure == "refused port":
        imap["port"] = free_port()
    elif failure == "certificate of a stranger":
        strange = Dovecot(work, Authority(f"{work}/ca2", "Stranger"))
    elif failure == "certificate of another host":
        strange = Dovecot(work, authority, hosts=["DNS:mail.example.com"])
    elif failure == "not IMAP":
        imap.update(port=fake(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")).port, secure=False)
    elif failure == "not TLS":
        imap["port"] = fake(says(b"* OK ready\r\n")).port
    elif failure == "hangs up":
        imap.update(port=fake(hangs_up).port, secure=False)
    elif failure == "greets with BYE":
        imap.update(port=fake(says(b"* BYE come back later\r\n")).port, secure=False)
    if strange:
        strange.start()
        imap["port"] = strange.imaps
    try:
        daemon.post("/v1/account", {"account": user, "name": "Someone", "imap": imap})
        told = consumer.wait(event, user)
        assert told.data["response"], told.json
        daemon.wait_state(user, state)
        shown = daemon.account(user)
        assert shown["lastError"]["response"], shown
        # The daemon goes on serving the others.
        assert daemon.health() == 200
        assert len(consumer.seen(event, user)) == 1
    finally:
        if strange:
            strange.stop()


def test_untrusted_certificate_is_accepted_when_told_so(daemon, user, work):
    strange = Dovecot(work, Authority(f"{work}/ca2", "Stranger"))
    strange.start()
    try:
        daemon.add_account(user, strange, imap={"tls": {"rejectUnauthorized": False}})
        daemon.wait_state(user)
    finally:
        strange.stop()


def test_stalling_server_holds_up_nobody(daemon, dovecot, user, new_user, fake):
    silent = fake(stalls)
    for _ in range(5):
        name = new_user()
        daemon.post("/v1/account", {"account": name, "name": "Someone", "imap": imap_object(name, silent.port, False)})
    daemon.add_account(user, dovecot)
    daemon.wait_state(user, seconds=10)
    assert daemon.account(name)["state"] in ("connecting", "init")


def test_server_that_returns_is_reconnected(daemon, consumer, user, work, authority):
    server = Dovecot(work, authority)
    server.start()
    try:
        daemon.add_account(user, server)
        daemon.wait_state(user)
        server.stop()
        consumer.wait("connectError", user)
        server.start()
        daemon.put(f"/v1/account/{user}/reconnect", {"reconnect": True})
        daemon.wait_state(user)
        assert len(consumer.seen("accountInitialized", user)) == 1
    finally:
        server.stop()


def test_credentials_cannot_smuggle_commands(daemon, consumer, user, fake):
    heard = []

    def listen(s):
        s.sendall(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
        while data := s.recv(4096):
            heard.append(data)
            for line in data.split(b"\r\n"):
                tag = line.split(b" ")[0]
                if tag:
                    s.sendall(tag + b" NO not today\r\n")
    server = fake(listen)
    imap = imap_object("user\r\nA9 DELETE INBOX\r\n", server.port, False, password="x\r\nA8 LOGOUT", host="127.0.0.1")
    reply = daemon.request("POST", "/v1/account", {"account": user, "name": "Someone", "imap": imap})
    assert reply.status in (200, 400)
    if reply.status == 200:
        wait_until(lambda: daemon.account(user)["state"].endswith("Error"), 10, "refused login")
    lines = b"".join(heard).split(b"\r\n")
    assert not [line for line in lines if line.startswith((b"A9", b"A8"))], lines


def verify(daemon, imap, **more):
    return daemon.post("/v1/verifyAccount", {"imap": imap, **more})


def test_verify_tells_success_and_mailboxes(shared, dovecot, user):
    ok = verify(shared, imap_object(user, dovecot.imaps), mailboxes=True)
    assert ok["imap"]["success"] is True
    assert {"INBOX", "Sent", "Trash"} <= {m["path"] for m in ok["mailboxes"]}


def test_verify_tells_why_not(shared, dovecot, user, fake):
    bad = verify(shared, imap_object(user, dovecot.imaps, password="not it"))
    assert bad["imap"]["success"] is False and bad["imap"]["code"] == "AUTHENTICATIONFAILED"
    for imap in (imap_object(user, free_port()), imap_object(user, dovecot.imaps, host="no-such-host.invalid"),
                 imap_object(user, fake(says(b"220 smtp here\r\n")).port, secure=False)):
        refused = verify(shared, imap)
        assert refused["imap"]["success"] is False and refused["imap"]["error"], refused
    assert user not in [a["account"] for a in shared.get("/v1/accounts", pageSize=1000)["accounts"]]
