"""Every message of the nasty corpus through the API: no 5xx, valid UTF-8, the source as the server has it."""
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from rig import nasty
from test_browser import attacks

CLASSES = ("C1", "C2", "C3", "C4", "C5", "C6", "C7")
ATTACHMENTS = 5  # of a message that are read
SECONDS = 30  # for all that is read of one message, with sanitizers, beside others


@pytest.fixture(scope="module")
def world(shared, dovecot):
    """The daemon, the account, and name → (row of the listing, what the server holds)."""
    account = "nasty-corpus"
    corpus = nasty.messages(attacks())
    dovecot.fill(account, corpus.values())
    shared.add_account(account, dovecot)
    shared.wait_state(account)
    rows = sorted(shared.messages(account), key=lambda row: row["uid"])
    assert len(rows) == len(corpus)
    with dovecot.client(account) as c:
        c.select("INBOX", readonly=True)
        held = {row["uid"]: c.uid("FETCH", str(row["uid"]), "(BODY.PEEK[])")[1][0][1] for row in rows}
    return shared, account, {name: (row, held[row["uid"]]) for name, row in zip(corpus, rows)}


def said(reply):
    """JSON of an answer that has to be one."""
    assert reply.status == 200, reply
    value = json.loads(reply.body.decode("utf-8", "strict"))
    json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails for half a surrogate pair
    return value


def read(daemon, account, row, held):
    def get(rest):
        return daemon.request("GET", f"/v1/account/{account}/{rest}")
    message = said(get(f"message/{row['id']}?textType=*"))
    assert message["id"] == row["id"]
    safe = said(get(f"message/{row['id']}?webSafeHtml=true")).get("text", {})
    assert "<script" not in safe.get("html", "").lower()
    if "id" in message.get("text", {}):
        text = said(get(f"text/{message['text']['id']}"))
        assert {k: text.get(k) for k in ("plain", "html")} == {k: message["text"].get(k) for k in ("plain", "html")}
    for attachment in message.get("attachments", [])[:ATTACHMENTS]:
        reply = get(f"attachment/{attachment['id']}")
        assert reply.status == 200, reply
        shown = reply.headers.get("content-disposition", "")
        assert "\r" not in shown and "\n" not in shown and len(shown) < 4096
    source = get(f"message/{row['id']}/source")
    assert source.status == 200 and source.body == held


def test_corpus_covers_all_classes(world):
    names = list(world[2])
    assert len(names) >= 300
    assert {name.split("-")[0] for name in names} == set(CLASSES)


def test_long_rows_lose_their_end_only(world):
    """Thousands of addresses: more than is kept of a row, and no more than the row suffers."""
    many = [(row, held) for row, held in world[2].values() if held.count(b"@example.com>") >= 30_000 and b"nasty" in held]
    assert len(many) == 5
    for row, held in many:
        assert row["subject"] == "nasty" and row["size"] == len(held)
        # What follows the long field may be lost with its end; what is before it may not.
        assert row["from"]["address"] and sum(len(row.get(field, ())) for field in ("replyTo", "to", "cc")) <= 500


@pytest.mark.parametrize("kind", CLASSES)
def test_nasty_messages_can_be_read(world, kind):
    daemon, account, messages = world
    failed = {}

    def one(name):
        try:
            start = time.monotonic()
            read(daemon, account, *messages[name])
            assert time.monotonic() - start < SECONDS, "slow"
        except Exception as e:
            failed[name] = str(e)[:500]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, [name for name in messages if name.startswith(kind)]))
    assert not failed
    assert daemon.health() == 200
