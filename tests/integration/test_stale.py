"""Work connections that end while nobody uses them: whoever only reads hears nothing of it, and nothing is changed
twice."""
import re
import socket

import pytest

from rig.daemon import ApiError
from rig.imap import Imap

SLOW = {"sync_poll_interval_s": 3600, "sync_poll_hot_s": 3600}


class Server(Imap):
    """die(command, rest): the connection says BYE and ends instead of obeying."""

    def __init__(self):
        super().__init__(self.instead_of)
        self.die, self.died = lambda command, rest: False, 0

    def instead_of(self, _, command, tag, rest, s):
        if not self.die(command, rest):
            return False
        self.died += 1
        s.sendall(b"* BYE not you again\r\n")
        s.shutdown(socket.SHUT_RDWR)
        return True

    def dies(self, times, *commands):
        self.died = 0
        self.die = lambda command, rest: command in commands and self.died < times


@pytest.fixture
def begin(make_daemon, redis, fake, user):
    def run(server):
        d = make_daemon(redis.url, **SLOW).start()
        d.add_account(user, None, host="127.0.0.1", port=fake(server).port, secure=False)
        d.wait_state(user)
        return d
    return run


def test_reads_are_asked_again_once(begin, user):
    server = Server()
    d = begin(server)
    first = d.messages(user, "Other")[0]["id"]  # a connection is open now
    asked = {
        "messages": lambda: d.page(user, "Other")["total"],
        "message": lambda: d.get(f"/v1/account/{user}/message/{first}")["id"],
        "threads": lambda: d.get(f"/v1/account/{user}/threads", path="Other")["total"],
        "counters": lambda: len(d.get(f"/v1/account/{user}/mailboxes", counters="true")["mailboxes"]),
    }
    for what, ask in asked.items():
        expected = ask()
        for commands in ((b"UID FETCH", b"STATUS"), (b"SELECT", b"NOOP")):
            server.dies(1, *commands)
            assert ask() == expected, what
    assert d.account(user)["state"] == "connected"
    server.dies(2, b"UID FETCH")
    with pytest.raises(ApiError):
        d.page(user, "Other")
    assert server.died == 2


def test_a_change_is_not_made_twice(begin, user):
    server = Server()
    d = begin(server)
    first = d.messages(user, "Other")[0]["id"]
    for commands, made in (((b"UID STORE",), False), ((b"SELECT", b"NOOP"), True)):
        server.dies(1, *commands)
        before = server.commands.count(b"UID STORE")
        reply = d.request("PUT", f"/v1/account/{user}/message/{first}", {"flags": {"add": ["\\Seen"]}})
        assert (reply.status == 200) == made, reply
        assert server.commands.count(b"UID STORE") == before + 1


class Appending(Imap):
    """Takes each APPEND as its plan says: ends the connection before the message, inside of it, or behind it with the
    message stored or lost; or obeys."""

    def __init__(self, *plan):
        super().__init__(self.take)
        self.plan = list(plan)

    def take(self, _, command, tag, rest, s):
        if command != b"APPEND":
            return False
        how = self.plan.pop(0) if self.plan else "obey"
        left = int(re.search(rb"{(\d+)}$", rest)[1]) + 2
        if how != "before":
            s.sendall(b"+ go on\r\n")
        while left > 0 and how not in ("before", "inside"):
            left -= len(s.recv(left))
        if how == "inside":
            s.recv(1)
        if how in ("obey", "stored"):
            self.messages += 1
        if how == "obey":
            s.sendall(b"%s OK [APPENDUID 1 %d] done\r\n" % (tag, self.messages))
        else:
            s.shutdown(socket.SHUT_RDWR)
        return True


@pytest.mark.parametrize("plan, appends, stored, status", [
    (("before",), 2, 1, 200),
    (("inside",), 2, 1, 200),
    (("lost",), 2, 1, 200),
    (("stored",), 1, 1, 200),
    (("lost", "lost"), 2, 0, 502),
    (("before", "before"), 2, 0, 502),
])
def test_an_upload_is_stored_once(begin, user, plan, appends, stored, status):
    server = Appending(*plan)
    d = begin(server)
    reply = d.request("POST", f"/v1/account/{user}/message",
                      {"path": "Other", "text": "hello", "messageId": "<one@example.com>"})
    assert reply.status == status, reply
    assert server.commands.count(b"APPEND") == appends
    assert server.messages == 3 + stored
    assert status != 200 or reply.json["uid"] == 4
    assert (b"may have been stored" in reply.body) == (plan == ("lost", "lost"))


@pytest.mark.parametrize("plan, appends, status", [(("before",), 2, 200), (("lost",), 1, 502), (("inside",), 1, 502)])
def test_bytes_that_passed_by_are_not_sent_twice(begin, user, plan, appends, status):
    server = Appending(*plan)
    d = begin(server)
    reply = d.request("POST", f"/v1/account/{user}/message/source?path=Other", b"Subject: x\r\n\r\nx\r\n")
    assert reply.status == status, reply
    assert server.commands.count(b"APPEND") == appends
    assert (b"may have been stored" in reply.body) == (status == 502)


def test_reading_ends_while_the_flag_is_on_its_way(shared, fake, user):
    def instead(server, command, tag, rest, s):
        return command == b"UID STORE"  # never answered
    shared.add_account(user, None, host="127.0.0.1", port=fake(Imap(instead)).port, secure=False)
    shared.wait_state(user)
    row = shared.messages(user)[0]
    reply = shared.request("GET", f"/v1/account/{user}/message/{row['id']}?markAsSeen=true&textType=*",
                           headers={"X-EE-Timeout": "600"})
    assert reply.status == 504, reply
    assert shared.request("GET", f"/v1/account/{user}/message/{row['id']}").status == 200
