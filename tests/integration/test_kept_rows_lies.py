"""Rows of listings are kept: none is shown for another message, whatever the mail server does to its UIDs."""
import pytest
from rig.imap import Imap
from rig.process import wait_until


class Server(Imap):
    """Messages of one subject; lie(row) -> row that is sent instead."""

    def __init__(self, subject):
        super().__init__(self.instead_of, ["INBOX"])
        self.subject, self.size, self.validity, self.lie = subject, 50, 1, lambda row: row
        self.full = 0

    def instead_of(self, _, command, tag, rest, s):
        self.full += command == b"UID FETCH" and b"ENVELOPE" in rest and b"MODSEQ" not in rest
        return False

    def answer(self, command, rest):
        return super().answer(command, rest).replace(b"UIDVALIDITY 1", b"UIDVALIDITY %d" % self.validity)

    def row(self, i):
        row = super().row(i).replace(b'(NIL "s"', b'(NIL "%s"' % self.subject.encode())
        return self.lie(row.replace(b"RFC822.SIZE 50", b"RFC822.SIZE %d" % self.size))


@pytest.fixture
def begin(make_daemon, redis, consumer, fake, user):
    """The subjects that a listing shows of an account of that server."""
    def run(server):
        d = make_daemon(redis.url).start()
        d.hooks(consumer.url)
        d.add_account(user, None, host="127.0.0.1", port=fake(server).port, secure=False)
        d.wait_state(user)
        consumer.wait("accountInitialized", user)
        return d, lambda: {row.get("subject") for row in d.page(user)["messages"]}
    return run


def test_rows_of_the_former_server_are_not_shown(begin, fake, user):
    d, subjects = begin(Server("former"))
    assert subjects() == subjects() == {"former"}
    other = fake(Server("latter"))
    d.put(f"/v1/account/{user}", {"imap": {"partial": True, "port": other.port}})
    wait_until(lambda: other.accepted, 10, "a connection to the other server")
    d.wait_state(user)
    assert subjects() == {"latter"}


def test_rows_of_before_a_flush_are_not_shown(begin, consumer, user):
    server = Server("former")
    d, subjects = begin(server)
    id = d.messages(user)[0]["id"]
    assert subjects() == {"former"}
    server.subject, server.validity = "latter", 2
    d.put(f"/v1/account/{user}/flush", {"flush": True})
    consumer.wait("accountInitialized", user, count=2)
    assert subjects() == {"latter"} and d.messages(user)[0]["id"] == id


def test_message_of_another_size_is_another_message(begin):
    server = Server("former")
    _, subjects = begin(server)
    assert subjects() == subjects() == {"former"}
    server.subject, server.size = "latter", 51
    assert subjects() == {"latter"}
    full = server.full
    assert subjects() == {"latter"} and server.full == full


def test_row_that_lacked_something_is_asked_for_again(begin):
    server = Server("whole")
    _, subjects = begin(server)
    server.lie = lambda row: row[:row.index(b" ENVELOPE")] + b")\r\n"
    assert subjects() == {None}
    server.lie = lambda row: row
    assert subjects() == {"whole"}


def test_sizes_that_never_stay_cost_one_more_command_each(begin):
    server = Server("any")
    _, subjects = begin(server)
    assert subjects() == {"any"}

    def lie(row):
        server.size += 1
        return row
    server.lie, full = lie, server.full
    assert subjects() == {"any"} and server.full == full + 1
