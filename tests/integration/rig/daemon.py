"""The program under test, and a client for its API."""
import http.client
import json
import os
import signal
import subprocess
import urllib.parse

from .dovecot import PASSWORD
from .process import HOST, Process, free_port, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BINARY = os.environ.get("POSTRIDER_BIN") or os.path.join(ROOT, "build", "tests", "postrider")
SANITIZER = {"ASAN_OPTIONS": "detect_leaks=1:exitcode=99:abort_on_error=0",
             "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=98"}
CRASH_MARKS = ("ERROR: AddressSanitizer", "LeakSanitizer", "runtime error:", "assertion failed")


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class ApiError(AssertionError):
    def __init__(self, what, reply):
        super().__init__(f"{what}: {reply}")
        self.reply = reply


def run_cli(*args, env=None, seconds=30, binary=BINARY):
    return subprocess.run([binary, *args], capture_output=True, text=True, timeout=seconds,
                          env={**os.environ, **SANITIZER, **(env or {})}, stdin=subprocess.DEVNULL)


class Daemon:
    def __init__(self, directory, redis_url, ca_file, **settings):
        """settings: webhook_retry_first_ms=50 becomes POSTRIDER_WEBHOOK_RETRY_FIRST_MS."""
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.port, self.token, self.process = free_port(), None, None
        base = {"http_host": HOST, "http_port": self.port, "redis_url": redis_url, "tls_ca_file": ca_file,
                "data_dir": os.path.join(directory, "data"), "log_level": "info"}
        self.settings = {**base, **settings}
        os.makedirs(self.settings["data_dir"], exist_ok=True)

    @property
    def env(self):
        return {"POSTRIDER_" + k.upper(): str(v) for k, v in self.settings.items() if v is not None}

    # --- the process ---

    def launch(self, *args):
        self.process = Process([BINARY, *args], os.path.join(self.dir, "log"), {**SANITIZER, **self.env})

    def start(self, seconds=20):
        self.launch()
        self.wait_healthy(seconds)
        if self.token is None:
            self.token = self.issue_token()
        return self

    def wait_healthy(self, seconds=20):
        def look():
            assert self.process.running(), "the daemon ended:\n" + self.process.output()[-4000:]
            return self.health() == 200
        wait_until(look, seconds, "healthy daemon")

    def health(self):
        """Status of GET /health; None if nobody listens."""
        try:
            return self.request("GET", "/health", token=None).status
        except OSError:
            return None

    def cli(self, *args, seconds=30):
        return run_cli(*args, env=self.env, seconds=seconds)

    def issue_token(self, *more, scope="*"):
        done = self.cli("token", "issue", "--scope", scope, "--description", "test", *more)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().split("\n")[-1]

    def stop(self):
        return self.process.stop()

    def kill(self):
        self.process.child.send_signal(signal.SIGKILL)
        self.process.child.wait(10)

    def restart(self):
        self.start()

    def log(self):
        return self.process.output() if self.process else ""

    def end(self):
        """Ends it if it runs, and fails if it ever crashed or leaked."""
        if self.process is None:
            return
        status = self.stop() if self.process.running() else None
        log = self.log()
        for mark in CRASH_MARKS:
            assert mark not in log, log[max(0, log.index(mark) - 500):][:6000]
        assert status in (None, 0), f"exit status {status}:\n{log[-4000:]}"

    # --- the API ---

    def request(self, method, path, body=None, token="", headers=None, seconds=30):
        """body: bytes as they are, everything else as JSON. token None: no Authorization."""
        send = dict(headers or {})
        token = self.token if token == "" else token
        if token is not None:
            send.setdefault("Authorization", f"Bearer {token}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            send.setdefault("Content-Type", "application/json")
        c = http.client.HTTPConnection(HOST, self.port, timeout=seconds)
        try:
            c.request(method, path, body, send)
            r = c.getresponse()
            return Reply(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
        except http.client.HTTPException as e:
            raise ConnectionError(f"{method} {path}: {e!r}") from e
        finally:
            c.close()

    def call(self, method, path, body=None, **more):
        reply = self.request(method, path, body, **more)
        if reply.status != 200:
            raise ApiError(f"{method} {path}", reply)
        return reply.json

    def get(self, path, /, **query):
        return self.call("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path, body=None):
        return self.call("POST", path, body if body is not None else {})

    def put(self, path, body=None):
        return self.call("PUT", path, body if body is not None else {})

    def delete(self, path, /, **query):
        return self.call("DELETE", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def hooks(self, url, events=("*",), **more):
        self.post("/v1/settings", {"webhooks": url, "webhooksEnabled": True, "webhookEvents": list(events), **more})

    def add_account(self, account, server, user=None, password=PASSWORD, host="localhost", port=None, secure=True,
                    imap=None, **more):
        """server: a Dovecot; imap: more members of the imap object."""
        user = user or account
        body = {"account": account, "name": f"Owner of {user}", "email": f"{user}@example.com",
                "imap": {"auth": {"user": user, "pass": password}, "host": host, "secure": secure,
                         "port": port or (server.imaps if secure else server.imap), **(imap or {})}, **more}
        return self.post("/v1/account", body)

    def account(self, account):
        return self.get(f"/v1/account/{account}")

    def metric(self, name):
        """Value of a metric without labels."""
        for line in self.request("GET", "/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split(" ")[1])
        raise AssertionError(f"no metric {name}")

    def wait_state(self, account, state="connected", seconds=20):
        try:
            wait_until(lambda: self.account(account)["state"] == state, seconds, f"{account} {state}", pause=0.05)
        except AssertionError as e:
            raise AssertionError(f"{e}; account is {self.account(account)}\n{self.log()[-3000:]}") from None

    def page(self, account, path="INBOX", page=0, size=20):
        return self.get(f"/v1/account/{account}/messages", path=path, page=page, pageSize=size)

    def messages(self, account, path="INBOX", size=250):
        """All pages of a listing."""
        out, page = [], 0
        while True:
            r = self.page(account, path, page, size)
            out += r["messages"]
            page += 1
            if page >= r["pages"]:
                return out
