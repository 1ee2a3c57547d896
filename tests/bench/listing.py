"""What a listing, a message and a text cost over the FETCH behind them; what an account costs
over an answer that is always the same."""
import json
import os
import re
import signal
import subprocess

from report import table

USER, MESSAGES = "list", 400
ITEMS = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE"


def raw(w, program, user, password, clients, times, command):
    done = subprocess.run([program, str(w.dovecot.imaps), user, password, str(clients), str(times), command],
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def cases(w):
    """(name, path of the API, command of the same content)"""
    page = w.daemon.page(USER, size=1)["messages"][0]
    uid, text = page["uid"], page["text"]["id"]
    base = f"/v1/account/{USER}"
    return [
        ("20 rows", f"{base}/messages?path=INBOX&pageSize=20", f"UID FETCH {uid - 19}:{uid} ({ITEMS})"),
        ("100 rows", f"{base}/messages?path=INBOX&pageSize=100", f"UID FETCH {uid - 99}:{uid} ({ITEMS})"),
        ("message", f"{base}/message/{page['id']}", f"UID FETCH {uid} ({ITEMS} BODY.PEEK[HEADER])"),
        ("text", f"{base}/text/{text}",
         f"UID FETCH {uid} (UID BODYSTRUCTURE BODY.PEEK[1.1]<0.1000000> BODY.PEEK[1.2]<0.1000000>)"),
    ]


def cpu_s(w):
    """Processor time of the daemon."""
    with open(f"/proc/{w.daemon.process.pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(w, program, password, wrk, measured):
    """measured: (name, path of the API, command, pages to choose from or None)"""
    rows = []
    for name, path, command, pages in measured:
        for clients in (1, 16):
            times = max(10, w.options.seconds * 60 // clients)
            wrk(w, clients, path, seconds=1, pages=pages)
            cpu = cpu_s(w)
            # The server's answers to both are as fast as they are at that moment: take turns.
            pairs = [(raw(w, program, USER, password, clients, times, command), wrk(w, clients, path, pages=pages))
                     for _ in range(3)]
            cpu = (cpu_s(w) - cpu) * 1e3 / sum(o["requests_per_s"] * w.options.seconds for _, o in pairs)
            bare, ours = min(b["p50_ms"] for b, _ in pairs), min(o["p50_ms"] for _, o in pairs)
            rows.append({"what": name, "clients": clients, "fetch_p50_ms": bare, "p50_ms": ours, "ratio": ours / bare,
                         "more_ms": ours - bare, "cpu_ms": cpu, "fetches_per_s": max(b["per_s"] for b, _ in pairs),
                         "requests_per_s": max(o["requests_per_s"] for _, o in pairs)})
    return rows


def constant(w, program, wrk):
    """The least that any request costs: /health of the same size is answered from memory."""
    server = subprocess.Popen([program, "0", str(len(w.daemon.request("GET", f"/v1/account/{USER}").body))],
                              stdout=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r"\d+", server.stdout.readline()).group(0))
        rows = []
        for clients in (1, 16):
            pairs = [(wrk(w, clients, "/health", port=port)["requests_per_s"],
                      wrk(w, clients, f"/v1/account/{USER}")["requests_per_s"]) for _ in range(3)]
            best, ours = max(b for b, _ in pairs), max(o for _, o in pairs)
            rows.append({"clients": clients, "constant_per_s": best, "account_per_s": ours, "share": ours / best})
        return rows
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(10)


def begin(w, rig, **settings):
    w.start_dovecot()
    w.make_daemon().settings.update(settings)
    w.daemon.start().hooks(w.consumer.url)
    kinds = [("report.pdf", "application/pdf", b"%PDF-1.4 " * 60), ("table.csv", "text/csv", b"a,b\n" * 50)]
    w.dovecot.fill(USER, (rig.mail.rich(f"<list-{i}@example.com>", kinds[:i % 3]) for i in range(MESSAGES)))
    w.daemon.add_account(USER, w.dovecot)
    w.consumer.wait("accountInitialized", USER, seconds=60)


def show(title, rows):
    table(title, ("what", "clients", "FETCH p50 ms", "p50 ms", "ratio", "more ms", "CPU ms", "FETCH/s", "requests/s"),
          [tuple(r.values()) for r in rows])


def suite_pages(w, rig, build_client, wrk):
    """Pages that nobody looked at before: none is kept, and each request asks for another one."""
    begin(w, rig, sync_rows_cache_mib=0)
    measured = [(*case, MESSAGES // int(case[0].split()[0])) for case in cases(w) if case[0].endswith("rows")]
    rows = measure(w, build_client(w.dir, "imap_repeat"), rig.PASSWORD, wrk, measured)
    show("Pages that nobody looked at before, over the FETCH of one", rows)
    return {"rows": rows}


def suite(w, rig, build_client, wrk):
    begin(w, rig)
    measured = [(*case, None) for case in cases(w)]
    rows = measure(w, build_client(w.dir, "imap_repeat"), rig.PASSWORD, wrk, measured)
    show("Listing and showing, over the FETCH of the same", rows)
    out = {"rows": rows}
    if w.options.httpd:
        out["constant"] = constant(w, w.options.httpd, wrk)
        table("GET /v1/account/{id} over a constant answer of the same size", ("clients", "constant/s", "account/s",
              "share"), [tuple(r.values()) for r in out["constant"]])
    return out
