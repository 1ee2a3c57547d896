"""Sources in pieces, from servers that do something else than they are asked for."""
import http.client
import re

import pytest
from rig.imap import Imap
from test_hostile import add

PIECE = 256 * 1024
ASKED = re.compile(rb"(\d+) .*BODY\.PEEK\[\]<(\d+)\.(\d+)>")
GIVE_UP = 8  # pieces of a message that does not end


def text(n):
    return b"".join(b"%09d\n" % i for i in range(n // 10 + 1))[:n]


class Pieces(Imap):
    """answer(data, at, count): the section name's end and the bytes; None: no row."""

    def __init__(self, size, answer):
        self.data, self.give, self.asked = text(size), answer, []
        super().__init__(instead=self._instead)

    def row(self, i):
        return super().row(i).replace(b"RFC822.SIZE 50", b"RFC822.SIZE %d" % len(self.data))

    def _instead(self, server, command, tag, rest, s):
        asked = ASKED.match(rest) if command == b"UID FETCH" else None
        if asked is None:
            return False
        uid, at, count = map(int, asked.groups())
        self.asked.append(at)
        given = self.give(self.data, at, count) if len(self.asked) <= GIVE_UP else None
        if given is not None:
            origin, data = given
            s.sendall(b"* %d FETCH (UID %d BODY[]%s {%d}\r\n%s)\r\n" % (uid, uid, origin, len(data), data))
        s.sendall(tag + b" OK done\r\n")
        return True


def ignores_partial(data, at, count):
    return b"", data


def begins_anew(data, at, count):
    return b"<0>", data[:count]


def goes_after_the_first(data, at, count):
    return (b"<0>", data[:count]) if at == 0 else None


def gives_more(data, at, count):
    return b"<%d>" % at, data[at:at + count + (1 if at > 0 else 0)]


def honest(data, at, count):
    return b"<%d>" % at, data[at:at + count]


def names_no_end(data, at, count):
    return (b"<%d>" % at, data[at:at + count]) if at < len(data) else (b"", b"")


def ask(daemon, fake, user, server, headers=None):
    add(daemon, user, fake(server))
    daemon.wait_state(user)
    row = daemon.messages(user)[0]
    try:
        reply = daemon.request("GET", f"/v1/account/{user}/message/{row['id']}/source", headers=headers)
        return reply.status, reply.body, True
    except ConnectionError as e:
        assert isinstance(e.__cause__, http.client.IncompleteRead)
        return 200, e.__cause__.partial, False


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
@pytest.mark.parametrize("answer", [honest, names_no_end])
def test_a_source_of_any_size_is_whole(shared, fake, user, answer, size):
    server = Pieces(size, answer)
    assert ask(shared, fake, user, server) == (200, text(size), True)
    assert server.asked == list(range(0, size + 1, PIECE))


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE + 1, 3 * PIECE])
def test_what_comes_as_a_whole_is_taken_as_a_whole(shared, fake, user, size):
    server = Pieces(size, ignores_partial)
    assert ask(shared, fake, user, server) == (200, text(size), True)
    assert server.asked == [0]


LIES = {"all of it, which is as long as a piece": (ignores_partial, PIECE),
        "the first piece for each": (begins_anew, 3 * PIECE),
        "nothing, as it went": (goes_after_the_first, 3 * PIECE),
        "more than was asked for": (gives_more, 3 * PIECE)}


@pytest.mark.parametrize("what", LIES)
def test_what_is_not_the_next_piece_is_not_given(shared, fake, user, what):
    answer, size = LIES[what]
    server = Pieces(size, answer)
    status, body, ended = ask(shared, fake, user, server)
    assert (status, ended) == (200, False)
    assert text(3 * PIECE).startswith(body[:2 * PIECE])
    assert len(server.asked) <= 2


@pytest.mark.parametrize("answer", [ignores_partial, begins_anew])
def test_a_range_is_not_of_another_place(shared, fake, user, answer):
    server = Pieces(300, answer)
    _, body, ended = ask(shared, fake, user, server, {"Range": "bytes=100-199"})
    assert not ended and body == b""
