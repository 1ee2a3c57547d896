"""Logs of traffic and of tokens, prepared tokens, the page of the API."""
import json
import re

from rig.process import wait_until


def test_log_shows_traffic_without_secrets_and_content(shared, dovecot, user):
    dovecot.fill(user, [b"Subject: MARKERsubject\nMessage-ID: <m@example.com>\n\nMARKERbody\n"])
    shared.add_account(user, dovecot, logs=True)
    shared.wait_state(user)
    row = shared.messages(user)[0]
    assert shared.request("GET", f"/v1/account/{user}/message/{row['id']}/source").status == 200

    def lines():
        reply = shared.request("GET", f"/v1/logs/{user}")
        assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain")
        return [json.loads(line) for line in reply.body.decode().splitlines()]
    wait_until(lambda: any("BODY.PEEK[]" in line["msg"] for line in lines()), 10, "traffic in the log")
    found = lines()
    assert {line["src"] for line in found} == {"c", "s"}
    text = json.dumps(found)
    assert "credentials" in text and "correct-horse" not in text and "MARKERbody" not in text
    assert [line["time"] for line in found] == sorted(line["time"] for line in found)
    shared.delete(f"/v1/account/{user}")
    assert shared.request("GET", f"/v1/logs/{user}").body == b""


def test_log_is_off_unless_asked_for(shared, dovecot, user):
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    assert shared.request("GET", f"/v1/logs/{user}").body == b""


def test_use_of_a_token_is_logged(shared, dovecot, user):
    shared.add_account(user, dovecot)
    made = shared.post("/v1/tokens", {"account": user, "description": "t", "scopes": ["api"]})
    shared.post("/v1/settings", {"tokenAuditLog": True})
    assert shared.request("GET", f"/v1/account/{user}", token=made["token"]).status == 200
    assert shared.request("GET", "/metrics", token=made["token"]).status == 403
    shared.post("/v1/settings", {"tokenAuditLog": False})
    assert shared.request("GET", f"/v1/account/{user}", token=made["token"]).status == 200
    log = shared.get(f"/v1/tokens/{made['id']}/log")
    assert [(e["status"], e["path"], e["method"]) for e in log["entries"]] == [
        ("denied", "/metrics", "GET"), ("allowed", "/v1/account/{account}", "GET")]
    assert log["entries"][1]["account"] == user and log["entries"][1]["ip"] == "127.0.0.1"
    assert log["total"] == 2 and log["token"] == made["id"]
    assert shared.get(f"/v1/tokens/{made['id']}")["access"]["ip"] == "127.0.0.1"


def test_token_goes_to_another_installation(make_daemon, redis):
    first = make_daemon(redis.url, redis_prefix="one").start()
    text = first.cli("token", "export", first.token).stdout.strip()
    assert first.token not in text and re.fullmatch("[A-Za-z0-9_-]+", text)
    second = make_daemon(redis.url, redis_prefix="two", prepared_token=text)
    second.token = first.token
    second.start()
    assert second.request("GET", "/v1/license").status == 200
    third = make_daemon(redis.url, redis_prefix="three")
    assert third.cli("token", "import", text).returncode == 0
    assert third.cli("token", "import", "nonsense").returncode == 2
    third.token = first.token
    third.start()
    assert third.request("GET", "/v1/license").status == 200


def test_prepared_token_may_be_a_token(make_daemon, redis):
    d = make_daemon(redis.url, prepared_token="5a" * 32)
    d.token = "5a" * 32
    d.start()
    assert d.request("GET", "/v1/accounts").status == 200
    d.stop()
    d.restart()
    assert d.request("GET", "/v1/accounts").status == 200
    # Revoked, it does not come back with the next start.
    assert d.request("DELETE", "/v1/token/" + d.token).status == 200
    d.stop()
    d.restart()
    assert d.request("GET", "/v1/accounts").status == 401
    d.stop()
    assert d.cli("token", "import", d.token).returncode == 0
    d.restart()
    assert d.request("GET", "/v1/accounts").status == 200


def test_reference_loads_nothing_from_elsewhere(shared):
    page = shared.request("GET", "/reference", token=None)
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    text = page.body.decode()
    assert "//" not in re.sub("<!doctype html>", "", text)
    for link in re.findall(r'(?:src|href)="([^"]+)"', text):
        part = shared.request("GET", "/" + link, token=None)
        assert part.status == 200, link
        assert link == "swagger.json" or b"//" not in re.sub(rb"(?m)^//.*$", b"", part.body)
