"""Reading and changing messages through the API, against what the mail server holds."""
import base64

import pytest
from rig import mail
from rig.process import wait_until

FILES = (("data.bin", "application/octet-stream", mail.binary()),
         ("übersicht 2023.csv", "text/csv", b"a;b\r\n1;2\r\n"),
         ("empty.txt", "application/x-empty", b""),
         ("message.eml", "application/eml", b"Subject: inner\r\n\r\nbody\r\n"))


def crlf(data):
    """A mail store may end lines its own way; over the wire they end in CRLF."""
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.fixture
def box(shared, dovecot, user):
    """An account with whatever the test puts into its INBOX."""
    class Box:
        account = user

        def put(self, *messages):
            dovecot.fill(user, [m.replace(b"\r\n", b"\n") for m in messages])
            shared.add_account(user, dovecot)
            shared.wait_state(user)
            return shared.messages(user)

        def path(self, rest):
            return f"/v1/account/{user}/{rest}"

        def message(self, message_id, **query):
            return shared.get(self.path(f"message/{message_id}"), **query)

        def raw(self, rest, **more):
            return shared.request("GET", self.path(rest), **more)
    return Box()


def test_message_has_its_headers_and_parts(shared, box):
    row = box.put(mail.rich(attachments=FILES))[0]
    m = box.message(row["id"])
    assert m["subject"] == row["subject"] == "Prüfung – 検証 ✓"
    assert m["from"] == {"name": "Jürgen Größe", "address": "juergen@example.com"}
    assert [a["address"] for a in m["to"]] == ["ann@example.com", "bob@example.com"]
    assert m["cc"] == [{"name": "Команда", "address": "team@example.com"}]
    assert m["replyTo"][0]["address"] == "answers@example.com"
    assert m["messageId"] == "<rich@example.com>" and m["inReplyTo"] == "<earlier@example.com>"
    assert m["date"] == "2020-09-13T12:26:40.000Z"  # when the server received it
    assert m["text"]["encodedSize"]["plain"] > 0 and m["text"]["encodedSize"]["html"] > 0
    names = [a.get("filename") for a in m["attachments"] if not a.get("inline")]
    assert names == [name for name, _, _ in FILES]
    assert [a["contentId"] for a in m["attachments"] if a.get("inline")] == ["<pic@example.com>"]
    assert "plain" not in m["text"]


def test_text_is_decoded(shared, box):
    row = box.put(mail.rich())[0]
    full = box.message(row["id"], textType="*")
    assert crlf(full["text"]["plain"].strip().encode()).decode() == "Guten Tag,\r\nänderung №1."
    assert "<b>Tag</b>" in full["text"]["html"]
    text = shared.get(box.path(f"text/{full['text']['id']}"))
    assert text["plain"] == full["text"]["plain"] and "<b>Tag</b>" in text["html"]
    assert text["hasMore"] is False
    plain = shared.get(box.path(f"text/{full['text']['id']}"), textType="plain", maxBytes=5)
    assert plain["plain"] == "Guten" and plain["hasMore"] is True and "html" not in plain


def test_attachments_are_byte_identical(shared, box):
    row = box.put(mail.rich(attachments=FILES))[0]
    listed = [a for a in box.message(row["id"])["attachments"] if not a.get("inline")]
    for entry, (name, kind, data) in zip(listed, FILES):
        got = box.raw(f"attachment/{entry['id']}")
        assert got.status == 200, (name, got)
        # Text attachments have their line ends normalised by the mail store.
        assert (got.body == data) or (kind == "text/csv" and crlf(got.body) == crlf(data)), name
        assert got.headers["content-type"].startswith(kind)
        assert "attachment" in got.headers["content-disposition"]


def test_large_attachment_streams_byte_identical(shared, box):
    data = mail.binary(6_000_011)
    row = box.put(mail.rich(attachments=[("big.bin", "application/octet-stream", data)]))[0]
    entry = [a for a in box.message(row["id"])["attachments"] if not a.get("inline")][0]
    assert box.raw(f"attachment/{entry['id']}").body == data


def test_source_is_byte_identical(shared, box, dovecot):
    sent = [mail.rich(attachments=FILES), mail.plain(1), *mail.NASTY.values()]
    rows = box.put(*sent)
    assert len(rows) == len(sent)
    with dovecot.client(box.account) as c:
        c.select("INBOX", readonly=True)
        for row in rows:
            held = c.uid("FETCH", str(row["uid"]), "(BODY.PEEK[])")[1][0][1]
            got = box.raw(f"message/{row['id']}/source")
            assert got.status == 200 and got.body == held, row
            assert got.headers["content-type"].startswith("message/rfc822")


@pytest.mark.parametrize("kind", mail.NASTY)
def test_nasty_message_can_be_listed_read_and_downloaded(nasty, kind):
    daemon, account, rows = nasty
    row = rows[list(mail.NASTY).index(kind)]
    reply = daemon.request("GET", f"/v1/account/{account}/message/{row['id']}?textType=*")
    assert reply.status == 200, reply
    m = reply.json
    assert m["id"] == row["id"]
    for a in m.get("attachments", []):
        assert daemon.request("GET", f"/v1/account/{account}/attachment/{a['id']}").status == 200
        assert "\r" not in a.get("filename", "") and "\n" not in a.get("filename", "")
    if "text" in m and m["text"].get("id"):
        assert daemon.request("GET", f"/v1/account/{account}/text/{m['text']['id']}").status == 200
    # Reading text does not mark it as read.
    assert daemon.health() == 200


@pytest.fixture(scope="module")
def nasty(shared, dovecot):
    account = "nasty-box"
    dovecot.fill(account, [m.replace(b"\r\n", b"\n") for m in mail.NASTY.values()])
    shared.add_account(account, dovecot)
    shared.wait_state(account)
    rows = {m["uid"]: m for m in shared.messages(account)}
    uids = sorted(rows)
    assert len(uids) == len(mail.NASTY)
    return shared, account, [rows[u] for u in uids]


def test_nasty_headers_are_repaired(nasty):
    daemon, account, rows = nasty
    row = dict(zip(mail.NASTY, rows))
    assert row["broken encoded words"]["subject"].count("✓") == 1
    assert "from" in row["quotes and parentheses"]
    assert row["quotes and parentheses"]["from"]["address"] == "q@example.com"
    m = daemon.get(f"/v1/account/{account}/message/{row['two thousand recipients']['id']}")
    assert m["to"][0]["address"] == "user0@example.com" and len(m["to"]) >= 100


def test_flags_are_changed_on_the_server(shared, box, dovecot):
    row = box.put(mail.plain(1))[0]
    reply = shared.put(box.path(f"message/{row['id']}"), {"flags": {"add": ["\\Seen", "\\Flagged", "$Mine"]}})
    assert reply["flags"]["add"] is True
    assert dovecot.flags(box.account, row["uid"]) >= {"\\Seen", "\\Flagged", "$Mine"}
    shared.put(box.path(f"message/{row['id']}"), {"flags": {"delete": ["\\Flagged"]}})
    assert "\\Flagged" not in dovecot.flags(box.account, row["uid"])
    wait_until(lambda: set(shared.messages(box.account)[0]["flags"]) >= {"\\Seen", "$Mine"}, 5, "flags in the index")
    m = box.message(row["id"])
    assert "unseen" not in m or m["unseen"] is False


def test_reading_marks_as_seen_only_when_asked(shared, box, dovecot):
    row = box.put(mail.plain(1))[0]
    box.message(row["id"], textType="*")
    box.raw(f"message/{row['id']}/source")
    assert "\\Seen" not in dovecot.flags(box.account, row["uid"])
    box.message(row["id"], markAsSeen="true")
    assert "\\Seen" in dovecot.flags(box.account, row["uid"])


def test_moved_message_has_a_new_id_in_its_new_place(shared, box, dovecot):
    rows = box.put(mail.plain(1), mail.plain(2, message_id="<moves@example.com>"))
    row = [r for r in rows if r["messageId"] == "<moves@example.com>"][0]
    reply = shared.put(box.path(f"message/{row['id']}/move"), {"path": "Archive"})
    assert reply["path"] == "Archive"
    assert len(dovecot.uids(box.account, "Archive")) == 1 and len(dovecot.uids(box.account)) == 1
    wait_until(lambda: shared.page(box.account, "Archive")["total"] == 1, 10, "message in Archive")
    moved = shared.messages(box.account, "Archive")[0]
    assert reply.get("id", moved["id"]) == moved["id"] != row["id"]
    assert box.message(moved["id"])["messageId"] == "<moves@example.com>"
    wait_until(lambda: box.raw(f"message/{row['id']}").status == 404, 10, "old id unknown")


def test_deleted_message_goes_to_the_trash_and_then_away(shared, box, dovecot):
    row = box.put(mail.plain(1))[0]
    reply = shared.delete(box.path(f"message/{row['id']}"))
    assert reply["deleted"] is False and reply["moved"]["destination"] == "Trash"
    wait_until(lambda: shared.page(box.account, "Trash")["total"] == 1, 10, "message in Trash")
    trashed = shared.messages(box.account, "Trash")[0]
    assert shared.delete(box.path(f"message/{trashed['id']}"))["deleted"] is True
    assert dovecot.uids(box.account, "Trash") == [] and dovecot.uids(box.account) == []


def test_forced_deletion_skips_the_trash(shared, box, dovecot):
    row = box.put(mail.plain(1))[0]
    assert shared.delete(box.path(f"message/{row['id']}"), force="true")["deleted"] is True
    assert dovecot.uids(box.account) == [] and dovecot.uids(box.account, "Trash") == []


def test_web_safe_html_holds_nothing_active(shared, box):
    raw = (b"From: a@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: text/html; charset=utf-8\r\n\r\n"
           b"<p onclick=x>Hi <b>you</b><script>alert(1)</script>"
           b"<img src=http://track.example/p.gif><blockquote>old</blockquote>\r\n")
    row = box.put(raw)[0]
    plain = box.message(row["id"], textType="html")["text"]
    assert "<script>" in plain["html"] and "webSafe" not in plain
    safe = box.message(row["id"], webSafeHtml="true")["text"]
    assert safe["webSafe"] is True and "<p>Hi <b>you</b>" in safe["html"]
    assert "script" not in safe["html"] and "onclick" not in safe["html"]
    assert 'src="http' not in safe["html"].replace('data-remote-src="http', "")
    assert "<details>" in safe["html"]
    text = shared.get(box.path(f"text/{safe['id']}"), webSafeHtml="true")
    assert text["html"] == safe["html"] and text["webSafe"] is True


def test_web_safe_html_is_made_from_plain_text(box):
    raw = b"From: a@example.com\r\nSubject: s\r\n\r\n1 < 2, see http://x.example/a\r\n"
    text = box.message(box.put(raw)[0]["id"], webSafeHtml="true")["text"]
    assert text["webSafe"] is True and "1 &lt; 2" in text["html"]
    assert '<a href="http://x.example/a"' in text["html"] and text["plain"].startswith("1 < 2")


def with_image(html, image, cid="pic%1@example.com", kind=b"image/png"):
    return (b"From: a@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n" + html +
            b"\r\n--b\r\nContent-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <" +
            cid.encode() + b">\r\n\r\n" + base64.encodebytes(image).replace(b"\n", b"\r\n") + b"--b--\r\n")


def test_attached_images_are_embedded_on_request(shared, box):
    image = mail.binary(3000)
    html = b'<p onclick=x><img src="cid:pic%251@example.com"><img src=cid:none>'
    row = box.put(with_image(html, image))[0]
    url = "data:image/png;base64," + base64.b64encode(image).decode()
    assert "cid:pic" in box.message(row["id"], textType="html")["text"]["html"]
    raw = box.message(row["id"], textType="html", embedAttachedImages="true")["text"]
    assert raw["html"].startswith(f'<p onclick=x><img src="{url}"><img src=cid:none>') and "webSafe" not in raw
    safe = box.message(row["id"], webSafeHtml="true")["text"]
    assert safe["html"].startswith(f'<p><img src="{url}"><img src="cid:none">') and safe["webSafe"] is True
    assert shared.get(box.path(f"text/{safe['id']}"), webSafeHtml="true")["html"] == safe["html"]
    assert "html" not in box.message(row["id"], embedAttachedImages="true").get("text", {})


def test_images_that_could_act_or_are_too_large_stay_outside(box):
    rows = box.put(with_image(b"<img src=cid:p>", b"<svg onload=alert(1)/>", "p", b"image/svg+xml"),
                   with_image(b"<img src=cid:p>", bytes(3 * 1024 * 1024), "p"))
    for row in rows:
        assert box.message(row["id"], webSafeHtml="true")["text"]["html"].startswith('<img src="cid:p">')


def test_texts_and_images_larger_than_a_row_keeps_come_whole(shared, box):
    image, text = mail.binary(1_500_000), "ä" * 1_200_000
    rows = box.put(with_image(b"<img src=cid:p>", image, "p"),
                   b"From: a@example.com\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode())
    by_size = sorted((box.message(row["id"], webSafeHtml="true", textType="*") for row in rows), key=lambda m: "plain" in m["text"])
    assert base64.b64encode(image).decode() in by_size[0]["text"]["html"]
    assert by_size[1]["text"]["plain"] == text and by_size[1]["text"]["hasMore"] is False
    alone = shared.get(box.path(f"text/{by_size[1]['text']['id']}"))
    assert alone["plain"] == text and alone["hasMore"] is False


def test_one_endless_header_does_not_take_the_listing_with_it(box):
    rows = box.put(b"Subject: " + b"a" * 1_500_000 + b"\r\n\r\nx\r\n", mail.plain(1))
    assert "Message 1" in [row["subject"] for row in rows] and len(rows) == 2
    assert [box.message(row["id"], textType="*")["text"]["hasMore"] for row in rows] == [False, False]
