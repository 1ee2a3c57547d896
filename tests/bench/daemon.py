#!/usr/bin/env python3
"""Measures the built daemon against a real Dovecot and Redis, everything on loopback.

Prints one Markdown table a suite and at the end one line of JSON. Build it for Release
first; needs dovecot-imapd, dovecot-lmtpd, redis-server, openssl, a C compiler with OpenSSL's
headers, and for the suite `api` wrk. Says what it does on the standard error output.
"""
import argparse
import contextlib
import json
import os
import platform
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import churn
import downloads
import listing
import wire
from report import message, percentile, resident_kib, say, table

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ITEMS = "(UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE)"
DRAINS = 3
IDLE_MESSAGES = 20

# One login process for all connections, so that sessions can be resumed; sizes and dates of
# every message in Dovecot's cache, so that it reads no files during a measurement.
DOVECOT = """
default_client_limit = 12000
default_process_limit = 3000
mail_max_userip_connections = 10000
mail_always_cache_fields = flags date.received size.virtual size.physical
service imap-login {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 6000
}
service imap {
  process_limit = 6000
  service_count = 200
}
service auth {
  client_limit = 16000
}
service anvil {
  client_limit = 16000
}
service stats {
  client_limit = 16000
}
"""


class World:
    """The servers of a suite; all that was started ends with it."""

    def __init__(self, stack, options):
        self.stack, self.options = stack, options
        self.dir = tempfile.mkdtemp(prefix="prb-")
        stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        os.chmod(self.dir, 0o711)
        self.authority = rig.Authority(os.path.join(self.dir, "ca"))
        self.consumer = rig.Consumer()
        stack.callback(self.consumer.close)
        self.redis = rig.Redis(self.dir)
        self.redis.start()
        stack.callback(self.redis.stop)
        self.dovecot = self.daemon = None
        self.host = rig.HOST

    def start_dovecot(self):
        self.dovecot = rig.Dovecot(self.dir, self.authority, more=DOVECOT)
        self.stack.callback(self.dovecot.stop)
        self.dovecot.start()

    def make_daemon(self):
        self.daemon = rig.Daemon(os.path.join(self.dir, "d"), self.redis.url, self.authority.file, log_level="warn")
        self.stack.callback(self.daemon.end)
        return self.daemon

    def start_daemon(self):
        self.make_daemon().start()
        self.daemon.hooks(self.consumer.url)

    def resident(self):
        return resident_kib(self.daemon.process.pid)

    def wait_connected(self, count):
        rig.wait_until(lambda: connected(self) >= count, 600, f"{count} accounts", pause=0.2)

    def used_bytes(self):
        client = self.redis.client()
        try:
            return int(re.search(rb"^used_memory:(\d+)", client("INFO", "memory"), re.M).group(1))
        finally:
            client.close()


def build_client(directory, name):
    """One of the bare clients beside this file."""
    out = os.path.join(directory, name)
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-pthread", "-o", out,
                    os.path.join(HERE, name + ".c"), "-lssl", "-lcrypto"], check=True, timeout=120)
    return out


# --- sync ---

def fill_big(w, user, size):
    r, dates, at = random.Random(1), [], 1600000000
    for _ in range(size):
        at += r.randrange(1, 400)
        dates.append(at)
    w.dovecot.fill(user, (message(i) for i in range(size)), when=lambda i: dates[i], flags=("S", "", "RS", "FS", "S"))


def drain(w, program, user, size):
    done = subprocess.run([program, str(w.dovecot.imaps), user, rig.PASSWORD, ITEMS], capture_output=True, text=True,
                          timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    got = json.loads(done.stdout)
    if got["rows"] < size:
        raise RuntimeError(f"the server told {got['rows']} of {size} messages")
    return got["seconds"]


def first_sync(w, account, user, size):
    """Seconds until accountInitialized, and the bytes Redis grew by. The account goes again."""
    before, start = w.used_bytes(), time.time()
    w.daemon.add_account(account, w.dovecot, user=user)
    at = w.consumer.wait("accountInitialized", account, seconds=900).at
    time.sleep(3)  # Redis gives the buffers of quiet connections back after two seconds
    grown, total = w.used_bytes() - before, w.daemon.page(account, size=1)["total"]
    if total != size:
        raise RuntimeError(f"{total} of {size} messages are listed")
    w.daemon.delete(f"/v1/account/{account}")
    time.sleep(3)
    return at - start, grown


def suite_sync(w):
    size, user = w.options.size, "big"
    w.start_dovecot()
    say(f"writing {size} messages")
    fill_big(w, user, size)
    program = build_client(w.dir, "imap_drain")
    w.start_daemon()
    # Connections, scripts and buffers of the first account are no part of the growth by messages.
    w.dovecot.fill("small", (message(i) for i in range(IDLE_MESSAGES)))
    first_sync(w, "small", "small", IDLE_MESSAGES)
    say("filling Dovecot's caches")
    for _ in range(2):
        drain(w, program, user, size)
    rows = []
    for i in range(DRAINS):
        floor = drain(w, program, user, size)
        took, grown = first_sync(w, f"sync{i}", user, size)
        rows.append({"drain_s": floor, "sync_s": took, "ratio": took / floor, "messages_per_s": size / took,
                     "redis_bytes_per_message": grown / size})
        say(f"drain {floor:.3f} s, sync {took:.3f} s")
    median = {name: statistics.median(r[name] for r in rows) for name in rows[0]}
    table(f"First sync of {size} messages", ("run", "drain s", "sync s", "sync : drain", "messages/s", "Redis bytes/message"),
          [(i, *r.values()) for i, r in enumerate(rows, 1)] + [("median", *median.values())])
    return {"size": size, "runs": rows, "median": median}


# --- idle ---

def suite_idle(w):
    count = w.options.accounts
    w.start_dovecot()
    say(f"writing {count} mailboxes")
    for i in range(count):
        w.dovecot.fill(f"idle{i}", (message(n) for n in range(IDLE_MESSAGES)))
    w.start_daemon()
    relay = rig.Relay(w.dovecot.imaps)
    w.stack.callback(relay.close)
    time.sleep(w.options.settle)
    empty = w.resident()
    say("adding accounts")
    start = time.time()
    for i in range(count):
        w.daemon.add_account(f"idle{i}", w.dovecot, port=relay.port)
    rig.wait_until(lambda: len(w.consumer.seen("accountInitialized")) >= count, 900, f"{count} accounts", pause=0.2)
    connected = time.time() - start
    say("waiting for work in the background to end")
    with contextlib.suppress(AssertionError):
        rig.wait_until(lambda: relay.count()[0] <= count, 300, "connections to close", pause=0.5)
    time.sleep(w.options.settle)
    full, (open_now, resumed) = w.resident(), relay.count()
    out = {"accounts": count, "messages_each": IDLE_MESSAGES, "rss_empty_kib": empty, "rss_kib": full,
           "kib_per_account": (full - empty) / count, "connections": open_now, "resumed": resumed, "connect_s": connected}
    table(f"{count} idle accounts over TLS", ("accounts", "RSS KiB of none", "RSS KiB", "KiB/account", "connections",
                                              "sessions resumed", "all connected after s"),
          [(count, empty, full, out["kib_per_account"], open_now, resumed, connected)])
    return out


# --- latency ---

class Watcher:
    """A bare client in IDLE on an INBOX; notes when each line came."""

    def __init__(self, w, user):
        context = ssl.create_default_context(cafile=w.authority.file)
        plain = socket.create_connection((rig.HOST, w.dovecot.imaps), 20)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.seen, self.closing = context.wrap_socket(plain, server_hostname="localhost"), {}, False
        self.file = self.sock.makefile("rb")
        self.file.readline()
        for command in (f"LOGIN {user} {rig.PASSWORD}", "SELECT INBOX", "IDLE"):
            self.sock.sendall(b"w " + command.encode() + b"\r\n")
            while not (line := self.file.readline()).startswith((b"w ", b"+")):
                if not line:
                    raise ConnectionError("the watcher's connection ended")
        self.sock.settimeout(None)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError):
            for line in self.file:
                number, _, rest = line[2:].strip().partition(b" ")
                if number.isdigit():
                    self.seen.setdefault((rest.split(b" ")[0].decode(), int(number)), time.time())

    def at(self, word, number):
        """When `* number word` came first. One EXISTS may tell of several new messages."""
        if word != "EXISTS":
            return self.seen.get((word, number))
        return min((at for (w, n), at in list(self.seen.items()) if w == word and n >= number), default=None)

    def clear(self):
        self.seen.clear()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.sock.close()


class Latency:
    """Events on one mailbox. Each is (key of the webhook, when, word and number the watcher
    will see). The mailbox keeps its first messages, so their sequence numbers are their UIDs."""

    def __init__(self, w, user):
        self.w, self.user, self.events, self.pace = w, user, w.options.events, w.options.pace
        self.size = 3 * self.events
        w.dovecot.fill(user, (message(i) for i in range(self.size)))
        w.daemon.add_account(user, w.dovecot)
        w.consumer.wait("accountInitialized", user, seconds=120)
        self.count = self.size
        self.client = w.dovecot.client(user)
        self.client.select("INBOX")
        self.watcher = Watcher(w, user)

    def close(self):
        self.watcher.close()
        with contextlib.suppress(OSError):
            self.client.shutdown()

    def deliver(self, name):
        self.count += 1
        key = f"<{name}-{self.count}@bench.example.com>"
        start = time.time()
        self.w.dovecot.deliver(self.user, message(self.count, message_id=key))
        return key, start, "EXISTS", self.count

    def flag(self, uid):
        start = time.time()
        self.client.uid("STORE", str(uid), "+FLAGS.SILENT", "(\\Flagged $Bench)")
        return uid, start, "FETCH", uid

    def new(self, i):
        return self.deliver("new")

    def flags(self, i):
        return self.flag(i + 1)

    def delete(self, i):
        uid = self.size - i
        if i == 0:  # marked before, so that EXPUNGE alone is the change
            self.client.uid("STORE", f"{self.size - self.events + 1}:{uid}", "+FLAGS.SILENT", "(\\Deleted)")
            time.sleep(2)
        start = time.time()
        self.client.uid("EXPUNGE", str(uid))
        self.count -= 1
        return uid, start, "EXPUNGE", uid

    def after_new(self, i):
        self.deliver("before")
        return self.flag(self.events + i + 1)

    def arrivals(self, event, field):
        found = {}
        for d in self.w.consumer.seen(event, self.user):
            found.setdefault(d.data.get(field), d.at)
        return found

    def measure(self, kind, event, field, act):
        """New messages come steadily. What follows them comes irregularly: Dovecot tells of the changes of half a second
        at once, and a steady pace would have all measurements of a connection at the same two points of it."""
        say(f"latency: {kind}")
        self.watcher.clear()
        sent, spread = [], random.Random(1)
        for i in range(self.events):
            sent.append(act(i))
            time.sleep(self.pace * (1 if act == self.new else spread.uniform(0.5, 1.5)))
        with contextlib.suppress(AssertionError):
            rig.wait_until(lambda: {s[0] for s in sent} <= set(self.arrivals(event, field)), 30, kind, pause=0.2)
        hooks = self.arrivals(event, field)
        ours = [(hooks[key] - start) * 1e3 for key, start, _, _ in sent if key in hooks]
        bare = [(at - start) * 1e3 for _, start, word, number in sent if (at := self.watcher.at(word, number)) is not None]
        return {"event": kind, "sent": len(sent), "webhooks": len(ours), "notices": len(bare),
                "webhook_p50_ms": percentile(ours, 50), "webhook_p99_ms": percentile(ours, 99),
                "idle_p50_ms": percentile(bare, 50), "idle_p99_ms": percentile(bare, 99)}


def suite_latency(w):
    w.start_dovecot()
    w.start_daemon()
    run = Latency(w, "latency")
    w.stack.callback(run.close)
    time.sleep(min(w.options.settle, 5))
    rows = [run.measure(kind, *how) for kind, how in {
        "new message": ("messageNew", "messageId", run.new),
        "flag change": ("messageUpdated", "uid", run.flags),
        "delete": ("messageDeleted", "uid", run.delete),
        "flag change right after a new message": ("messageUpdated", "uid", run.after_new),
    }.items()]
    table(f"Event to webhook, {run.events} events of each kind, {run.pace} s apart",
          ("event", "sent", "webhooks", "IDLE notices", "webhook p50 ms", "webhook p99 ms", "bare IDLE p50 ms",
           "bare IDLE p99 ms"), [tuple(r.values()) for r in rows])
    return {"pace": run.pace, "rows": rows}


# --- api ---

def wrk(w, connections, path, seconds=None, port=None, pages=None):
    """pages: of a listing, one of them in turn for each request."""
    seconds = seconds or w.options.seconds
    script = ["-s", os.path.join(ROOT, "tests", "bench", "pages.lua")] if pages else []
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *script, "-H",
                           f"Authorization: Bearer {w.daemon.token}", f"http://{rig.HOST}:{port or w.daemon.port}{path}",
                           *(["--", str(pages)] if pages else [])],
                          capture_output=True, text=True, timeout=seconds + 60, check=True).stdout
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", done)
    if errors:
        raise RuntimeError(errors.group(0))
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    p50, p99 = (float(m.group(1)) * unit[m.group(2)]
                for p in (50, 99) for m in [re.search(rf"{p}%\s+([\d.]+)(us|ms|s)", done)])
    return {"connections": connections, "requests_per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1)),
            "p50_ms": p50, "p99_ms": p99}


def suite_api(w):
    if shutil.which("wrk") is None:
        print("\n### GET /v1/account/{id}\n\nNot measured: wrk is not installed.")
        return {"skipped": "wrk is not installed"}
    w.start_dovecot()
    w.start_daemon()
    w.dovecot.fill("api", (message(i) for i in range(IDLE_MESSAGES)))
    w.daemon.add_account("api", w.dovecot)
    w.consumer.wait("accountInitialized", "api", seconds=60)
    rows = [wrk(w, n, "/v1/account/api") for n in (1, 16)]
    table("GET /v1/account/{id}", ("connections", "requests/s", "p50 ms", "p99 ms"), [tuple(r.values()) for r in rows])
    return {"rows": rows}


# --- list ---

def suite_list(w):
    return listing.suite(w, rig, build_client, wrk)


def suite_pages(w):
    return listing.suite_pages(w, rig, build_client, wrk)


# --- downloads ---

def suite_downloads(w):
    return downloads.suite(w)


# --- start ---

def suite_start(w):
    daemon, times = w.make_daemon(), []
    for _ in range(6):
        begin = time.monotonic()
        daemon.launch()
        while daemon.health() != 200:
            if time.monotonic() - begin > 20 or not daemon.process.running():
                raise RuntimeError("the daemon did not start:\n" + daemon.log()[-2000:])
            time.sleep(0.001)
        times.append((time.monotonic() - begin) * 1e3)
        time.sleep(min(w.options.settle, 2))
        memory = w.resident()
        daemon.stop()
    out = {"first_ms": times[0], "again_ms": statistics.median(times[1:]), "rss_kib": memory}
    table("Start without accounts", ("on an empty Redis, ms to /health 200", "again, median of 5, ms", "RSS KiB"),
          [tuple(out.values())])
    return out


# --- start100 ---

BOXES = ("Drafts", "Sent", "Trash", "Junk", "Archive")  # and INBOX


def bare_connect(w, program, count):
    done = subprocess.run([program, str(w.dovecot.imaps), "many", str(count), rig.PASSWORD], capture_output=True, text=True,
                          timeout=300)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)["seconds"]


def connected(w):
    """Accounts that this process has connected; 0 while nobody answers. What /metrics tells by
    state is what was stored, so it also knows of the process before."""
    with contextlib.suppress(OSError, AssertionError):
        return int(w.daemon.metric("postrider_accounts_connected"))
    return 0


def cpu_seconds(pid):
    """Time of the processor that a process took, by itself and for the kernel."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def daemon_connects(w, count):
    """Seconds from starting the program until all accounts are connected, and what of it the
    program spent on the processor."""
    begin = time.monotonic()
    w.daemon.launch()
    while connected(w) < count:
        if time.monotonic() - begin > 300:
            raise RuntimeError(f"{connected(w)} of {count} accounts are connected")
        time.sleep(0.01)
    return time.monotonic() - begin, cpu_seconds(w.daemon.process.pid)


def suite_start100(w):
    count = w.options.many
    w.start_dovecot()
    say(f"writing {count} accounts of {1 + len(BOXES)} mailboxes")
    for i in range(count):
        w.dovecot.fill(f"many{i}", (message(n) for n in range(IDLE_MESSAGES)))
        for box in BOXES:
            w.dovecot.fill(f"many{i}", (message(n) for n in range(2)), mailbox=box)
    program = build_client(w.dir, "imap_connect")
    bare_connect(w, program, count)
    w.start_daemon()
    for i in range(count):
        w.daemon.add_account(f"many{i}", w.dovecot)
    w.wait_connected(count)
    rows = []
    for i in range(DRAINS):
        w.daemon.kill() if i % 2 else w.daemon.stop()
        time.sleep(2)
        bare = bare_connect(w, program, count)
        time.sleep(2)
        took, busy = daemon_connects(w, count)
        rows.append({"how": "kill -9" if i % 2 else "stop", "bare_s": bare, "daemon_s": took, "busy_s": busy,
                     "ratio": took / bare})
        say(f"bare {bare:.3f} s, daemon {took:.3f} s, of which {busy:.3f} s on the processor")
    median = {name: statistics.median(r[name] for r in rows) for name in ("bare_s", "daemon_s", "busy_s", "ratio")}
    table(f"{count} accounts connect after a start",
          ("run", "before it", "bare clients s", "daemon s", "of it on the processor s", "daemon : bare"),
          [(i, *r.values()) for i, r in enumerate(rows, 1)] + [("median", "", *median.values())])
    return {"accounts": count, "runs": rows, "median": median}


# --- neighbour ---

def told_after(w, quiet, kind):
    """Milliseconds from the server's word to the webhook, for each of its messages."""
    say(f"neighbour: {kind}")
    took = []
    for _ in range(w.options.events):
        at = quiet.deliver()
        told = w.consumer.wait("messageNew", "quiet", uid=quiet.messages, seconds=60)
        took.append((told.at - at) * 1e3)
        time.sleep(min(w.options.pace, 0.1))
    return took


def suite_neighbour(w):
    """One account gets many messages, another one now and then. The second one's server is a
    scripted one, since Dovecot holds notices back for up to half a second."""
    size, quiet = w.options.burst, rig.Neighbour()
    server = rig.Fake(quiet)
    w.stack.callback(server.close)
    w.start_dovecot()
    w.start_daemon()
    w.daemon.post("/v1/account", {"account": "quiet", "name": "quiet", "notifyFrom": "2020-01-01T00:00:00Z", "imap": {
        "auth": {"user": "u", "pass": "p"}, "host": rig.HOST, "port": server.port, "secure": False}})
    w.dovecot.fill("busy", (message(i) for i in range(IDLE_MESSAGES)))
    w.daemon.add_account("busy", w.dovecot)
    for name in ("quiet", "busy"):
        w.consumer.wait("accountInitialized", name, seconds=60)
    alone = told_after(w, quiet, "alone")
    filler = threading.Thread(target=w.dovecot.fill, args=("busy", (message(i) for i in range(size))),
                              kwargs={"when": lambda i: 1700000000 + i}, daemon=True)
    begin = time.time()
    filler.start()
    beside = told_after(w, quiet, "beside")
    filler.join()
    rig.wait_until(lambda: w.daemon.page("busy", size=1)["total"] >= size, 300, "the other account's messages", pause=0.5)
    took = time.time() - begin
    say(f"{size} messages were indexed within {took:.1f} s")
    rows = [{"when": when, "events": len(ms), "p50_ms": percentile(ms, 50), "p99_ms": percentile(ms, 99), "max_ms": max(ms)}
            for when, ms in (("alone", alone), (f"while another account gets {size}", beside))]
    longest = w.daemon.metric("postrider_loop_turn_longest_seconds") * 1e3
    table("A server's word of a new message to its webhook",
          ("", "events", "p50 ms", "p99 ms", "longest ms"), [tuple(r.values()) for r in rows])
    return {"burst": size, "rows": rows, "burst_s": took, "longest_turn_ms": longest}


# --- churn ---

def suite_churn(w):
    return churn.suite(w, rig.Relay)


# --- wire ---

def suite_wire(w):
    return wire.suite(w, rig)


# --- webhooks ---

class Sink:
    """tests/bench/http_sink.c: a receiver that answers at once, or badly."""

    def __init__(self, w, *how):
        program = os.path.join(w.dir, "http_sink")
        program = program if os.path.exists(program) else build_client(w.dir, "http_sink")
        self.process = subprocess.Popen([program, *how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        w.stack.callback(self.close)
        self.url = f"http://{rig.HOST}:{self.process.stdout.readline().strip()}/hook"

    def report(self):
        """What came since the last report."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(5)


HOOKED = 20  # accounts whose events are counted


def default_route(w):
    return next(r for r in w.daemon.get("/v1/webhooks/routes")["routes"] if r["id"] == "default")


def extra_routes(w, count, **more):
    return [w.daemon.post("/v1/webhooks/routes", {"name": f"route {n}", "enabled": True, **more})["id"]
            for n in range(count)]


def wait_delivered(w, count, seconds=300):
    """Whether so many entries were done within that time."""
    end, told = time.monotonic() + seconds, time.monotonic()
    while (done := default_route(w)["done"]) < count:
        if time.monotonic() > end:
            say(f"  {count - done} entries did not come")
            return False
        if time.monotonic() - told > 10:
            told = time.monotonic()
            say(f"  {count - done} entries left")
        time.sleep(0.1)
    return True


def pin(process, core):
    """All threads of a process stay on a core, so that each has one for itself."""
    if os.cpu_count() > 1:
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            os.sched_setaffinity(int(thread), {core})


def drain_log(w, sink, clients, each, sign):
    """Flags of all messages change while the queue is paused; then it is resumed."""
    before = default_route(w)["done"]
    w.daemon.put("/v1/settings/queue/notify", {"paused": True})
    for client in clients:
        client.uid("STORE", "1:*", sign + "FLAGS.SILENT", "(\\Flagged)")
    rig.wait_until(lambda: w.daemon.get("/v1/settings/queue/notify")["jobs"]["paused"] >= len(clients), 120,
                   "a log that waits", pause=0.2)
    time.sleep(5 + each * len(clients) / 20000)  # until all of them are in it
    sink.report()
    pid = w.daemon.process.pid
    busy = cpu_seconds(pid)
    w.daemon.put("/v1/settings/queue/notify", {"paused": False})
    wait_delivered(w, before + each * len(clients))
    rig.wait_until(lambda: not any(r["accountsBehind"] for r in w.daemon.get("/v1/webhooks/routes")["routes"]), 300,
                   "all routes", pause=0.1)
    busy = cpu_seconds(pid) - busy
    seen = sink.report()
    return {"accounts": len(clients), "events": seen["count"], "events_per_s": seen["count"] / seen["seconds"],
            "cpu_us_per_event": busy * 1e6 / seen["count"]}


def steady(w, sink, clients, each, signs, seconds=20, rate=500):
    """About `rate` events a second, a few at a time and spread over the accounts. A run that
    undoes what the one before did has the other signs: flags that stay make no events."""
    batch, sent, start = max(1, rate // 20), 0, time.monotonic()
    before, busy = default_route(w)["done"], cpu_seconds(w.daemon.process.pid)
    sink.report()
    for turn in range(int(seconds * rate / batch)):
        client, first = clients[turn % len(clients)], 1 + turn // len(clients) * batch % (each - batch)
        sign = signs[turn // len(clients) * batch // (each - batch) % 2]
        client.uid("STORE", f"{first}:{first + batch - 1}", sign + "FLAGS.SILENT", "($Bench)")
        sent += batch
        time.sleep(max(0, start + (turn + 1) * batch / rate - time.monotonic()))
    wait_delivered(w, before + sent, 60)
    busy = cpu_seconds(w.daemon.process.pid) - busy
    return {**sink.report(), "cpu_us": busy * 1e6 / sent}


def idle_cost(w, seconds=20):
    """Share of a processor, and Redis commands a second, while nothing happens."""
    def commands():
        client = w.redis.client()
        try:
            return int(re.search(rb"^total_commands_processed:(\d+)", client("INFO", "stats"), re.M).group(1))
        finally:
            client.close()
    pid = w.daemon.process.pid
    busy, calls = cpu_seconds(pid), commands()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - busy) / seconds, (commands() - calls) / seconds


def hooked_accounts(w, sink, each):
    """Connected accounts with messages whose flags the clients change; webhooks go to the sink. What it cost to idle."""
    w.start_dovecot()
    say(f"writing {HOOKED} mailboxes of {each} messages")
    for i in range(HOOKED):
        w.dovecot.fill(f"hook{i}", (message(n) for n in range(each)))
    w.make_daemon().start()
    w.daemon.hooks(sink.url)
    pin(w.daemon.process, 0)
    pin(sink.process, 1)
    pin(w.redis.process, 1)
    say("no accounts")
    none = idle_cost(w)
    for i in range(HOOKED):
        w.daemon.add_account(f"hook{i}", w.dovecot)
    for i in range(HOOKED):
        w.daemon.wait_state(f"hook{i}", seconds=120)
    clients = [w.dovecot.client(f"hook{i}") for i in range(HOOKED)]
    for client in clients:
        client.select("INBOX")
    time.sleep(min(w.options.settle, 5))
    return clients, none


def suite_routes(w):
    """What it costs that each route reads the log by itself: four of them take nothing of it."""
    each, rows = 1000, []
    good = Sink(w)
    clients, _ = hooked_accounts(w, good, each)
    for i in range(DRAINS):
        say(f"routes: one, then four more that take nothing ({i + 1})")
        alone = drain_log(w, good, clients, each, "+")
        made = extra_routes(w, 4, targetUrl=good.url, events=["accountDeleted"])
        beside = drain_log(w, good, clients, each, "-")
        for id in made:
            w.daemon.delete(f"/v1/webhooks/routes/{id}")
        one, five = alone["cpu_us_per_event"], beside["cpu_us_per_event"]
        rows.append((i + 1, one, five, (five - one) / 4, 100 * (five - one) / 4 / one))
    for client in clients:
        client.shutdown()
    table(f"Routes that read the log and take nothing, {HOOKED} accounts, {each} entries of each",
          ("run", "CPU µs/entry: one route", "four more that take nothing", "for each of these",
           "percent of an entry that is delivered"), rows)
    return {"routes": rows}


def suite_webhooks(w):
    each = 1000
    good = Sink(w)
    clients, none = hooked_accounts(w, good, each)
    say("webhooks: from a full log")
    drained = [drain_log(w, good, clients, each, "+-"[i % 2]) for i in range(DRAINS)]
    drained.append(drain_log(w, good, clients[:1], each, "+-"[DRAINS % 2]))
    say("webhooks: 500 events a second, alone and beside routes that fail")
    rows = []
    for i in range(DRAINS):
        alone = steady(w, good, clients, each, "+-")
        bad = [Sink(w, how) for how in ("500", "stall")]
        made = [id for sink in bad for id in extra_routes(w, 1, targetUrl=sink.url, events=["*"])]
        time.sleep(2)
        beside = steady(w, good, clients, each, "-+")
        for id in made:
            w.daemon.delete(f"/v1/webhooks/routes/{id}")
        say(f"  run {i + 1}: p99 {alone['p99_ms']} ms alone, {beside['p99_ms']} ms beside")
        rows.append((i + 1, alone["p50_ms"], alone["p99_ms"], alone["cpu_us"], beside["p50_ms"], beside["p99_ms"],
                     beside["cpu_us"], beside["p99_ms"] / max(1, alone["p99_ms"])))
    for client in clients:
        client.shutdown()
    say(f"webhooks: {w.options.hooked} idle accounts")
    for i in range(w.options.hooked):
        w.daemon.post("/v1/account", {"account": f"still{i}", "name": "Still"})
        if i % 1000 == 999:
            say(f"  {i + 1} made")
    rig.wait_until(lambda: default_route(w)["accountsBehind"] == 0, 120, "an idle route", pause=0.5)
    time.sleep(10)
    many = idle_cost(w)
    table(f"From the log to a local receiver, {each} events of each account",
          ("run", "accounts", "events", "events/s", "CPU µs/event"), [(i, *d.values()) for i, d in enumerate(drained, 1)])
    table("500 events/s, from their date to the receiver",
          ("run", "p50 ms", "p99 ms", "CPU µs/event", "p50 ms beside bad routes", "p99 ms beside bad routes",
           "CPU µs/event beside bad routes", "p99 : p99"), rows)
    table("Idle", ("accounts", "CPU percent", "Redis commands/s"),
          [(0, *none), (HOOKED + w.options.hooked, *many)])
    return {"drained": drained, "steady": rows, "idle": {"none": none, "many": many}}


SUITES = {"start": suite_start, "api": suite_api, "latency": suite_latency, "idle": suite_idle, "webhooks": suite_webhooks,
          "routes": suite_routes, "sync": suite_sync, "start100": suite_start100, "neighbour": suite_neighbour,
          "list": suite_list, "pages": suite_pages, "downloads": suite_downloads, "churn": suite_churn, "wire": suite_wire}
LONG = {"churn"}  # only if asked for


def load_rig(binary):
    """The rig of the integration tests; which program it starts is read when it is loaded."""
    os.environ["POSTRIDER_BIN"] = binary
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
    from rig import certs, consumer, daemon, dovecot, fake, imap, mail, process, redis, relay, tap
    return argparse.Namespace(Authority=certs.Authority, Consumer=consumer.Consumer, Daemon=daemon.Daemon,
                              Dovecot=dovecot.Dovecot, Redis=redis.Redis, Relay=relay.Relay, Tap=tap.Tap, Fake=fake.Fake, Neighbour=imap.Neighbour, mail=mail, HOST=process.HOST,
                              PASSWORD=dovecot.PASSWORD, wait_until=process.wait_until, run_cli=daemon.run_cli)


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "postrider"), help="program to measure")
    p.add_argument("--suite", action="append", choices=SUITES, help="may be repeated; without it, all of them")
    p.add_argument("--size", type=int, default=100000, help="sync, wire: messages (%(default)s)")
    p.add_argument("--accounts", type=int, default=1000, help="idle, churn: accounts (%(default)s)")
    p.add_argument("--minutes", type=int, default=60, help="churn: how long (%(default)s)")
    p.add_argument("--rate", type=float, default=20, help="churn: deliveries, flag changes and deletions a second (%(default)s)")
    p.add_argument("--events", type=int, default=200, help="latency: events of each kind (%(default)s)")
    p.add_argument("--pace", type=float, default=0.3, help="latency: seconds between events (%(default)s)")
    p.add_argument("--seconds", type=int, default=6, help="api, list, downloads: seconds each run (%(default)s)")
    p.add_argument("--httpd", metavar="FILE", help="list: bench_httpd, for the answer that is always the same")
    p.add_argument("--many", type=int, default=100, help="start100: accounts (%(default)s)")
    p.add_argument("--burst", type=int, default=10000, help="neighbour: messages the other account gets (%(default)s)")
    p.add_argument("--hooked", type=int, default=10000, help="webhooks: idle accounts (%(default)s)")
    p.add_argument("--settle", type=float, default=15, help="seconds of rest before memory is read (%(default)s)")
    p.add_argument("--limit", type=int, default=3600, help="seconds after which the program gives up (%(default)s)")
    p.add_argument("--json", metavar="FILE", help="write the line of JSON here too")
    o = p.parse_args()
    o.bin = os.path.abspath(o.bin)
    if not os.access(o.bin, os.X_OK):
        p.error(f"{o.bin} is not built; see docs/BENCHMARKS.md, or use --bin")
    with open(o.bin, "rb") as f:
        if b"__asan_init" in f.read() and o.suite != ["churn"]:
            p.error(f"{o.bin} is built with sanitizers: its figures would mean nothing")
    if min(o.size, o.accounts, o.events, o.seconds, o.limit, o.many, o.burst, o.minutes, o.rate) < 1 or min(o.pace, o.settle) < 0:
        p.error("sizes and times are positive")
    return o


def prepare(o):
    """Signals and the time limit unwind as an exception, so that what was started ends too."""
    def stop(number, frame):
        raise SystemExit(f"stopped by {signal.Signals(number).name}")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stop)
    signal.alarm(o.limit)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.suppress(OSError), open("/proc/sys/fs/inotify/max_user_instances") as f:
        if int(f.read()) < 2 * o.accounts:
            say("fs.inotify.max_user_instances is low: Dovecot will poll the mailboxes of many idle accounts")


def facts():
    cpu = None
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as f:
        cpu = re.search(r"^model name\s*:\s*(.*)", f.read(), re.M)
    return {"version": rig.run_cli("version").stdout.split("\n")[0], "kernel": platform.release(), "cpus": os.cpu_count(),
            "cpu": cpu.group(1) if cpu else None}


def main(o):
    prepare(o)
    result, failed = {"machine": facts()}, False
    for name in o.suite or [n for n in SUITES if n not in LONG]:
        say(f"suite {name}")
        try:
            with contextlib.ExitStack() as stack:
                result[name] = SUITES[name](World(stack, o))
        except Exception as e:  # one suite that fails must not cost the figures of the others
            failed = True
            result.setdefault(name, {})["failed"] = str(e)
            say(f"suite {name} FAILED: {e}")
    line = json.dumps(result)
    print("\n" + line)
    if o.json:
        with open(o.json, "w") as f:
            f.write(line + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    given = options()
    rig = load_rig(given.bin)
    sys.exit(main(given))
