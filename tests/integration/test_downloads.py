"""Downloads in pieces: ranges of sources and attachments, slow clients, clients that go away."""
import base64
import http.client
import time

import pytest
from rig import mail
from rig.process import wait_until

DATA = mail.binary(900_001)
TEXT = b"".join(b"line %07d\r\n" % i for i in range(2000))


def part(kind, encoding, body, name):
    head = f'Content-Type: {kind}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n' \
           f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


def lines(text, width):
    return b"".join(text[i:i + width] + b"\r\n" for i in range(0, len(text), width))


def uneven(text):
    """Base64 as nobody should write it: lines of different lengths."""
    return lines(text[:1000], 60) + lines(text[1000:], 76)


def message():
    encoded = base64.b64encode(DATA)
    parts = [part("application/octet-stream", "base64", lines(encoded, 76), "even.bin"),
             part("application/octet-stream", "base64", uneven(encoded), "uneven.bin"),
             part("application/octet-stream", "7bit", TEXT, "plain.bin"),
             part("application/octet-stream", "quoted-printable", TEXT.replace(b"l", b"=6C"), "quoted.bin")]
    return (b"From: a@example.com\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=edge\r\n\r\n"
            + b"".join(b"--edge\r\n" + p + b"\r\n" for p in parts) + b"--edge--\r\n")


@pytest.fixture(scope="module")
def held(shared, dovecot):
    """Paths of a message's source and attachments, each with the bytes that are behind it."""
    user = "downloads"
    dovecot.fill(user, [message().replace(b"\r\n", b"\n")])
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    row = shared.messages(user)[0]
    with dovecot.client(user) as c:
        c.select("INBOX", readonly=True)
        source = c.uid("FETCH", str(row["uid"]), "(BODY.PEEK[])")[1][0][1]
    bodies = {"even.bin": DATA, "uneven.bin": DATA, "plain.bin": TEXT, "quoted.bin": TEXT, "source": source}
    paths = {a["filename"]: f"/v1/account/{user}/attachment/{a['id']}"
             for a in shared.get(f"/v1/account/{user}/message/{row['id']}")["attachments"]}
    paths["source"] = f"/v1/account/{user}/message/{row['id']}/source"
    return {name: (paths[name], body) for name, body in bodies.items()}


KINDS = ("source", "even.bin", "uneven.bin", "plain.bin", "quoted.bin")


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_are_parts_of_the_whole(shared, held, kind):
    path, body = held[kind]
    whole = shared.request("GET", path)
    # Text ends where the boundary's own line end begins.
    assert whole.status == 200 and whole.body == body and whole.headers["accept-ranges"] == "bytes"
    n = len(body)
    for spec, first, last in (("0-0", 0, 0), ("0-99", 0, 99), ("1-", 1, n - 1), (f"{n // 2}-{n // 2 + 70000}", n // 2,
                              min(n // 2 + 70000, n - 1)), (f"{n - 1}-", n - 1, n - 1), ("-1", n - 1, n - 1),
                              ("-1000", n - 1000, n - 1), (f"-{10 * n}", 0, n - 1), (f"57-{10 * n}", 57, n - 1)):
        reply = shared.request("GET", path, headers={"Range": f"bytes={spec}"})
        assert reply.status == 206, (kind, spec, reply)
        assert reply.headers["content-range"] == f"bytes {first}-{last}/{n}", spec
        assert int(reply.headers["content-length"]) == last - first + 1
        assert reply.body == body[first:last + 1], (kind, spec)


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_outside_are_refused(shared, held, kind):
    path, body = held[kind]
    for spec in (f"{len(body)}-", f"{len(body) + 5}-{len(body) + 9}", "-0"):
        reply = shared.request("GET", path, headers={"Range": f"bytes={spec}"})
        assert reply.status == 416 and reply.headers["content-range"] == f"bytes */{len(body)}", (spec, reply)
        assert reply.json["statusCode"] == 416


@pytest.mark.parametrize("spec", ["bytes=0-", "bytes=5-4", "bytes=a-b", "bytes=-", "lines=1-2", "bytes=0-1,5-6", ""])
def test_what_is_no_range_gives_the_whole(shared, held, spec):
    path, body = held["plain.bin"]
    reply = shared.request("GET", path, headers={"Range": spec})
    assert reply.status == 200 and reply.body == body, reply


def test_if_range_needs_the_same_thing(shared, held):
    path, body = held["even.bin"]
    tag = shared.request("GET", path).headers["etag"]
    same = shared.request("GET", path, headers={"Range": "bytes=10-19", "If-Range": tag})
    assert same.status == 206 and same.body == body[10:20]
    other = shared.request("GET", path, headers={"Range": "bytes=10-19", "If-Range": '"other"'})
    assert other.status == 200 and len(other.body) == len(body)


def slow(daemon, path, buffer=4096):
    """A download of which nothing is read."""
    c = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    c.connect()
    c.sock.setsockopt(1, 8, buffer)  # SO_RCVBUF; the smallest takes a minute for a megabyte, read or not
    c.request("GET", path, headers={"Authorization": f"Bearer {daemon.token}"})
    return c


@pytest.fixture(scope="module")
def big(shared, dovecot):
    """What belongs to one message of some megabytes: path and bytes of its attachment and its source."""
    user, data = "big", mail.binary(3_000_000)
    dovecot.fill(user, [mail.rich(attachments=[("big.bin", "application/octet-stream", data)]).replace(b"\r\n", b"\n")])
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    row = shared.messages(user)[0]
    entry = [a for a in shared.get(f"/v1/account/{user}/message/{row['id']}")["attachments"] if not a.get("inline")][0]
    with dovecot.client(user) as c:
        c.select("INBOX", readonly=True)
        source = c.uid("FETCH", str(row["uid"]), "(BODY.PEEK[])")[1][0][1]
    return {"attachment": (f"/v1/account/{user}/attachment/{entry['id']}", data),
            "source": (f"/v1/account/{user}/message/{row['id']}/source", source)}


@pytest.mark.parametrize("kind", ["attachment", "source"])
def test_slow_downloads_leave_room_for_others(shared, big, kind):
    path, data = big[kind]
    waiting = [slow(shared, path, 65536 if n == 7 else 4096) for n in range(20)]
    try:
        replies = [c.getresponse() for c in waiting]
        assert [r.status for r in replies] == [200] * 20
        begun = time.monotonic()
        assert len(shared.messages("big")) == 1
        assert time.monotonic() - begun < 3
        assert shared.request("GET", path, headers={"Range": f"bytes={len(data) - 10}-"}).body == data[-10:]
        assert replies[7].read() == data
    finally:
        for c in waiting:
            c.close()
    wait_until(lambda: shared.request("GET", path).body == data, 5, "the connections are free again")
