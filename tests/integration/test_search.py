"""Searches over one mailbox and several, paging that nothing shifts, and threads."""
import json
import urllib.parse

import pytest

from rig import mail
from rig.daemon import ApiError
from rig.process import HOST, wait_until
from test_gmail import ALL, TRASH, Gmail
from test_threads import letter
from fakemail import FakeMail, Lies, Mailbox

START = 1600000000


def search(daemon, user, keys, path="INBOX", **query):
    pairs = [("path", p) for p in ([path] if isinstance(path, str) else path)] + list(query.items())
    return daemon.post(f"/v1/account/{user}/search?" + urllib.parse.urlencode(pairs), {"search": keys})


def subjects(reply):
    return [m["subject"] for m in reply["messages"]]


def numbers(reply):
    return [m["uid"] for m in reply["messages"]]


@pytest.fixture
def filled(daemon, dovecot, user):
    dovecot.fill(user, [
        mail.plain(1, subject="Plan für Köln", text="The quick brown fox\r\n", X_Kind="first one"),
        mail.plain(2, subject='Quotes " and \\ back', to="bob@example.com"),
        mail.plain(3, subject="Big", text="x" * 70 + "\r\n" + "y\r\n" * 9000),
        mail.plain(4, subject="Lazy dog", text="jumps over 東京 here\r\n", X_Kind="second"),
    ], flags=("", "S", "FS", "RS"), when=lambda i: START + i * 86400)
    dovecot.fill(user, [mail.plain(10, subject="Plan B")], mailbox="Archive", when=lambda i: START + 86400 + 5)
    dovecot.fill(user, [mail.plain(11, subject="Plan sent")], mailbox="Sent", when=lambda i: START + 10 * 86400)
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    return user


def test_each_key_finds_what_it_names(daemon, filled):
    day = "2020-09-14T00:00:00.000Z"  # of the second message
    cases = [
        ({}, [4, 3, 2, 1]),
        ({"seq": "1:2"}, [2, 1]),
        ({"seq": "*"}, [4]),
        ({"uid": "2:3,9:10"}, [3, 2]),
        ({"unseen": True}, [1]), ({"unseen": False}, [4, 3, 2]),
        ({"seen": True}, [4, 3, 2]), ({"seen": False}, [1]),
        ({"answered": True}, [4]), ({"answered": False}, [3, 2, 1]),
        ({"flagged": True}, [3]), ({"flagged": False}, [4, 2, 1]),
        ({"draft": True}, []), ({"deleted": False}, [4, 3, 2, 1]),
        ({"from": "ann sender"}, [4, 3, 2, 1]),
        ({"to": "bob@"}, [2]), ({"cc": "x"}, []), ({"bcc": "x"}, []),
        ({"subject": "plan"}, [1]), ({"subject": "KÖLN"}, [1]), ({"subject": 'Quotes " and \\'}, [2]),
        ({"subject": ""}, [4, 3, 2, 1]),
        ({"body": "quick brown"}, [1]), ({"body": "東京"}, [4]), ({"text": "lazy"}, [4]),
        ({"larger": 20000}, [3]), ({"smaller": 20000, "seen": True}, [4, 2]),
        ({"modseq": 0}, [4, 3, 2, 1]),
        ({"before": day}, [1]), ({"since": day, "larger": 20000}, [3]), ({"since": day}, [4, 3, 2]),
        ({"before": "2020-09-14T18:00:00.000Z"}, [2, 1]), ({"since": "2020-09-14T18:00:00.000Z"}, [4, 3]),
        ({"sentSince": "2023-11-15"}, []), ({"sentBefore": "2023-11-15"}, [4, 3, 2, 1]),
        ({"header": {"X-Kind": "second"}}, [4]), ({"header": {"x-kind": True}}, [4, 1]),
        ({"header": {"X-Kind": False}}, [3, 2]), ({"header": {"X-Kind": ["one", "first"]}}, [1]),
        ({"header": {"X-Kind": "second", "Subject": "dog"}}, [4]),
    ]
    wrong = {json.dumps(keys): found for keys, uids in cases
             if (found := numbers(search(daemon, filled, keys))) != uids}
    assert not wrong


def test_values_cannot_become_keys_or_commands(daemon, filled):
    harmless = ['" ALL', 'x" OR ALL ALL "', "x\\", "{3}", "{3+}", "(", "NIL", "\x7f", "x\tALL"]
    for text in harmless:
        assert numbers(search(daemon, filled, {"subject": text})) == [], text
    refused = [{"subject": "x\r\nA1 LOGOUT"}, {"body": "a\nb"}, {"seq": "1 ALL"}, {"seq": "0"}, {"uid": "1:x"},
               {"uid": "1,"}, {"header": {"A B": "x"}}, {"header": {"A\r\nB": "x"}}, {"header": {"A": {"b": 1}}},
               {"before": "yesterday"}, {"nothing": 1}, {"from": "x" * 300}]
    for keys in refused:
        with pytest.raises(ApiError) as e:
            search(daemon, filled, keys)
        assert e.value.reply.status == 400, (keys, e.value.reply)
    for keys in ({"gmailRaw": "in:inbox"}, {"labels": {"has": "x"}}, {"emailId": "abc"}):
        with pytest.raises(ApiError) as e:
            search(daemon, filled, keys)
        assert (e.value.reply.status, e.value.reply.json["code"]) == (400, "Unsupported")
    assert numbers(search(daemon, filled, {"subject": "dog"})) == [4], "the connection is in order"


def test_several_mailboxes_come_by_date(daemon, filled):
    found = search(daemon, filled, {"subject": "plan"}, path=["INBOX", "Archive"])
    assert (found["total"], subjects(found)) == (2, ["Plan B", "Plan für Köln"])
    found = search(daemon, filled, {"subject": "plan"}, path="*")
    assert subjects(found) == ["Plan sent", "Plan B", "Plan für Köln"]
    assert [m["path"] for m in found["messages"]] == ["Sent", "Archive", "INBOX"]
    assert subjects(search(daemon, filled, {}, path="\\Sent")) == ["Plan sent"]
    rows, page = [], search(daemon, filled, {}, path="*", pageSize=2)
    assert (page["total"], page["pages"], page["prevPageCursor"]) == (6, 3, None)
    while True:
        rows += page["messages"]
        if page["nextPageCursor"] is None:
            break
        last, page = page, search(daemon, filled, {}, path="*", pageSize=2, cursor=page["nextPageCursor"])
        back = search(daemon, filled, {}, path="*", pageSize=2, cursor=page["prevPageCursor"])
        assert (back["messages"], back["page"]) == (last["messages"], last["page"])
    assert len({m["id"] for m in rows}) == 6
    assert [m["date"] for m in rows] == sorted((m["date"] for m in rows), reverse=True)
    with pytest.raises(ApiError) as e:
        search(daemon, filled, {}, path=["INBOX", "Nowhere"])
    assert e.value.reply.status == 404


def test_pages_stay_while_mail_comes_and_goes(daemon, dovecot, user):
    dovecot.fill(user, (mail.plain(i) for i in range(10)))
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    first = search(daemon, user, {}, pageSize=4)
    assert (numbers(first), first["total"], first["pages"]) == ([10, 9, 8, 7], 10, 3)
    dovecot.deliver(user, mail.plain(11))
    dovecot.expunge(user, [8])
    second = search(daemon, user, {}, pageSize=4, cursor=first["nextPageCursor"])
    assert (numbers(second), second["page"]) == ([6, 5, 4, 3], 1)
    again = search(daemon, user, {}, pageSize=4, cursor=second["prevPageCursor"])
    assert (numbers(again), again["page"]) == ([11, 10, 9, 7], 0)
    assert numbers(search(daemon, user, {}, pageSize=4, page=2)) == [2, 1]
    assert search(daemon, user, {}, pageSize=4, page=9)["messages"] == []
    for cursor in ("imap_", "imap_eyJwYWdlIjotMX0", "x"):
        with pytest.raises(ApiError) as e:
            search(daemon, user, {}, cursor=cursor)
        assert e.value.reply.status == 400


def test_several_accounts_are_searched_at_once(daemon, dovecot, filled):
    other = filled + "b"
    dovecot.fill(other, [mail.plain(20, subject="Plan of another")], when=lambda i: START + 20 * 86400)
    daemon.add_account(other, dovecot)
    daemon.wait_state(other)
    body = {"accounts": [filled, other, "nobody"], "search": {"subject": "plan"}}
    found = daemon.post("/v1/unified/search", body)
    assert (found["total"], found["pages"], found["paths"]) == (4, 1, ["*"])
    assert [(m["account"], m["subject"]) for m in found["messages"]] == [
        (other, "Plan of another"), (filled, "Plan sent"), (filled, "Plan B"), (filled, "Plan für Köln")]
    second = daemon.post("/v1/unified/search?page=1&pageSize=3", body)
    assert subjects(second) == ["Plan für Köln"] and second["pages"] == 2
    only = daemon.post("/v1/unified/search", {"accounts": other, "paths": "INBOX", "search": {}})
    assert subjects(only) == ["Plan of another"]
    assert daemon.request("POST", "/v1/unified/search?page=60", body).status == 400


def test_document_store_is_accepted(daemon, filled):
    found = daemon.post(f"/v1/account/{filled}/search?documentStore=true&exposeQuery=true",
                        {"search": {"subject": 'p"lan', "unseen": True}})
    assert found["documentStoreQuery"]["imap"] == 'UNSEEN SUBJECT "p\\"lan"'
    assert daemon.request("POST", f"/v1/account/{filled}/search?path=INBOX&exposeQuery=true",
                          {"search": {}}).status == 400
    assert daemon.request("POST", f"/v1/account/{filled}/search", {"search": {}}).status == 400
    slow = daemon.request("POST", f"/v1/account/{filled}/search?path=*", {"search": {"body": "z"}},
                          headers={"X-EE-Timeout": "1"})
    assert slow.status == 504


def test_threads_are_listed_newest_first_and_shown_whole(daemon, dovecot, user):
    dovecot.fill(user, [letter(1, subject="Plan"), letter(2, subject="Other"),
                        letter(4, refs=(1, 3), parent=3, subject="Re: Plan")], when=lambda i: START + 100 * i)
    dovecot.fill(user, [letter(3, refs=(1,), parent=1, subject="Re: Plan")], mailbox="Sent",
                 when=lambda i: START + 150)
    dovecot.fill(user, [letter(7, subject="Elsewhere")], mailbox="Archive")
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)

    def listed():
        page = daemon.get(f"/v1/account/{user}/threads")
        return page if [t["count"] for t in page["threads"]] == [3, 1] else None
    page = wait_until(listed, 40, "two threads")
    assert (page["total"], page["pages"], page["nextPageCursor"]) == (2, 1, None)
    plan, other = page["threads"]
    assert sorted(plan["paths"]) == ["INBOX", "Sent"] and plan["newest"]["uid"] == 3
    assert plan["id"] == plan["newest"]["threadId"] and other["newest"]["subject"] == "Other"
    whole = daemon.get(f"/v1/account/{user}/thread/{plan['id']}")
    assert [m["messageId"] for m in whole["messages"]] == [f"<t{n}@example.com>" for n in (1, 3, 4)]
    assert (whole["id"], whole["total"]) == (plan["id"], 3)
    assert {m["threadId"] for m in whole["messages"]} == {plan["id"]}
    found = search(daemon, user, {"threadId": plan["id"], "subject": "re:"}, path="*")
    assert [m["path"] for m in found["messages"]] == ["INBOX", "Sent"]
    assert numbers(search(daemon, user, {"threadId": plan["id"]})) == [3, 1]
    assert search(daemon, user, {"threadId": "AAAAAAAA"})["total"] == 0
    first = daemon.get(f"/v1/account/{user}/threads", pageSize=1)
    then = daemon.get(f"/v1/account/{user}/threads", pageSize=1, cursor=first["nextPageCursor"])
    assert [t["id"] for t in first["threads"] + then["threads"]] == [plan["id"], other["id"]]
    assert [t["newest"]["messageId"] for t in daemon.get(f"/v1/account/{user}/threads", path="\\Sent")["threads"]] == \
        ["<t3@example.com>"]
    for thread in ("AAAAAAAA", "nothing", "x" * 200):
        with pytest.raises(ApiError) as e:
            daemon.get(f"/v1/account/{user}/thread/{thread}")
        assert e.value.reply.status == 404


class Ascii(Lies):
    """Knows no charset; some such servers take the bytes as they are."""

    def __init__(self, takes_bytes):
        self.takes_bytes = takes_bytes

    def refuses(self, session, name, rest):
        if name == "SEARCH" and ("CHARSET" in rest or not (self.takes_bytes or rest.isascii())):
            return "NO [BADCHARSET (US-ASCII)] only ASCII here"
        return ""


def add_fake(daemon, user, server):
    daemon.post("/v1/account", {"account": user, "name": user, "imap": {
        "auth": {"user": "u", "pass": "p"}, "host": HOST, "port": server.port, "secure": False}})
    daemon.wait_state(user)


@pytest.mark.parametrize("takes_bytes", [True, False])
def test_a_server_without_charsets_is_asked_once_more(daemon, user, takes_bytes):
    server = FakeMail("IMAP4rev1 IDLE UIDPLUS", Ascii(takes_bytes))
    server.boxes = {"INBOX": Mailbox(1)}
    server.boxes["INBOX"].add(2)
    try:
        add_fake(daemon, user, server)
        if takes_bytes:
            assert numbers(search(daemon, user, {"subject": "Köln"})) == [2, 1]
        else:
            with pytest.raises(ApiError) as e:
                search(daemon, user, {"subject": "Köln"})
            assert (e.value.reply.status, e.value.reply.json["code"]) == (400, "Unsupported")
        asked = [c for c in server.commands if "SUBJECT" in c]
        assert asked == ['UID SEARCH CHARSET UTF-8 SUBJECT "KÖLN"', 'UID SEARCH SUBJECT "KÖLN"']
    finally:
        server.close()


def test_threads_that_the_server_tells(daemon, user):
    server = Gmail()
    try:
        for n, box in ((1, ALL), (2, ALL), (1, ALL), (1, TRASH)):
            server.deliver("\\Inbox", box=box).thread = 1700000000000000000 + n
        add_fake(daemon, user, server)
        page = daemon.get(f"/v1/account/{user}/threads")
        assert [(t["id"], t["count"], t["newest"]["uid"]) for t in page["threads"]] == [
            ("1700000000000000001", 2, 3), ("1700000000000000002", 1, 2)]
        whole = daemon.get(f"/v1/account/{user}/thread/1700000000000000001")
        assert sorted((m["path"], m["uid"]) for m in whole["messages"]) == [(ALL, 1), (ALL, 3), (TRASH, 1)]
        assert search(daemon, user, {"gmailRaw": "in:inbox", "labels": {"has": "\\Inbox", "not": "a b"}}, path=ALL)["total"] == 3
        assert 'UID SEARCH X-GM-RAW "IN:INBOX" X-GM-LABELS \\INBOX NOT X-GM-LABELS "A B"' in server.commands
    finally:
        server.close()
