"""Web-safe HTML in a real browser: attacks neither run nor load, and the same attacks uncleaned do."""
import base64
import json
import os
import re

import pytest
from rig import browser as browsers

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "..", "html", "attacks.txt")

# Each attack in a document of its own whose dialogs are counted; then events are fired at every element,
# what the browser made of it is looked through, and once more after innerHTML was written and read.
PAGE = """<!doctype html><meta charset=utf-8><link rel=icon href="data:,"><body><script>
const cases = %s, ran = {}, odd = {}, frames = [];
const links = ["http:", "https:", "mailto:", "tel:", ":", ""];
const never = /^(script|style|svg|math|iframe|object|embed|form|input|button|select|textarea|base|meta|link|template|video|audio|source|frame|frameset|noscript)$/i;
function note(where, i, what) { (where[i] = where[i] || []).push(String(what)); }
function arm(w, i) {
  for (const name of ["alert", "confirm", "prompt", "print", "open"]) w[name] = what => { note(ran, i, name); };
}
function look(i, root, deep) {
  for (const e of root.querySelectorAll("*")) {
    if (e.namespaceURI !== "http://www.w3.org/1999/xhtml" || never.test(e.localName)) note(odd, i, e.localName);
    for (const a of e.attributes) if (/^on|^(srcdoc|srcset|action|formaction|id|name)$/i.test(a.name)) note(odd, i, a.name);
    if (e.localName === "a" && !links.includes(e.protocol)) note(odd, i, e.protocol);
    if (deep) for (const kind of ["mouseover", "mouseenter", "focus", "click", "load", "error", "toggle", "animationstart", "transitionend"])
      e.dispatchEvent(new Event(kind, {bubbles: true, cancelable: true}));
  }
}
function begin() {
  cases.forEach((html, i) => {
    const frame = document.createElement("iframe");
    frame.style.cssText = "width:200px;height:60px";
    document.body.appendChild(frame);
    frames.push(frame);
    const d = frame.contentDocument;
    arm(frame.contentWindow, i);
    try {
      d.open(); d.write(html); d.close();
      d.addEventListener("click", e => e.preventDefault(), true);
    } catch (e) { note(odd, i, e); }
  });
  settled(%s ? probe : tell, 40);
}
function probe() {
  frames.forEach((frame, i) => {
    try {
      const d = frame.contentDocument, div = d.createElement("div");
      if (!d.body) return;
      look(i, d.body, true);
      d.body.appendChild(div);
      div.innerHTML = cases[i];
      div.innerHTML = div.innerHTML;
      div.innerHTML = "<table><tr><td>" + div.innerHTML;
      look(i, div, true);
    } catch (e) { note(odd, i, e); }
  });
  settled(tell, 40);
}
function loading(frame) {
  try { return frame.contentDocument.readyState !== "complete"; } catch (e) { return false; }
}
function settled(next, tries) {
  const wait = tries > 0 && frames.some(loading);
  setTimeout(() => wait ? settled(next, tries - 1) : next(), wait ? 200 : 500);
}
function tell() { fetch("/report", {method: "POST", body: JSON.stringify({ran, odd, shown: frames.length})}); }
addEventListener("load", begin);
</script>"""


def page(cases, probe=True):
    """probe: look and fire events, too."""
    text = json.dumps(cases).replace("</", "<\\/").replace("<!--", "<\\!--")
    return PAGE % (text, "true" if probe else "false")


def attacks(sections=None):
    def byte(match):
        return bytes.fromhex(match.group(1).decode())
    found, section = [], ""
    with open(CORPUS, "rb") as f:
        for line in f.read().split(b"\n"):
            if line.startswith(b"# --- "):
                section = line[6:].decode()
            elif line and not line.startswith(b"#") and (sections is None or section in sections):
                found.append(re.sub(rb"\{\{([0-9a-f ]+)\}\}", byte, line))
    return found


def mail_of(html, charset="utf-8"):
    return (b"From: a@example.com\nSubject: s\nMIME-Version: 1.0\nContent-Type: text/html; charset=%s\n"
            b"Content-Transfer-Encoding: base64\n\n%s" % (charset.encode(), base64.encodebytes(html)))


def made_safe(daemon, dovecot, account, documents):
    """What the API makes of them, in order."""
    dovecot.fill(account, [mail_of(html) for html in documents])
    daemon.add_account(account, dovecot)
    daemon.wait_state(account)
    rows = daemon.messages(account)
    assert len(rows) == len(documents)
    texts = [daemon.get(f"/v1/account/{account}/message/{row['id']}", webSafeHtml="true")["text"]
             for row in sorted(rows, key=lambda row: row["uid"])]
    assert all(text["webSafe"] is True for text in texts)
    return [text["html"] for text in texts]


@pytest.fixture(scope="module")
def browser(module_work):
    if browsers.find() is None:
        pytest.skip("NOT TESTED, missing: chromium")
    b = browsers.Browser(module_work)
    yield b
    b.close()


def test_uncleaned_attacks_work_in_this_browser(browser):
    """Otherwise the next test would show nothing. Those of frames wait for somebody to answer their dialogs."""
    sources = attacks(("script elements", "handlers", "loads"))
    sources = [a.decode("utf-8", "replace") for a in sources if not re.search(rb"(?i)<(i?frame|object|embed)", a)]
    report, loads = browser.show(page(sources, probe=False))
    assert len(report["ran"]) >= 35, report
    assert len({load for load in loads if load.startswith("load.example")}) >= 25, loads


def test_cleaned_attacks_neither_run_nor_load(browser, shared, dovecot, user):
    sources = attacks()
    assert len(sources) >= 200
    safe = made_safe(shared, dovecot, user, sources)
    report, loads = browser.show(page(safe))
    assert report["shown"] == len(sources)
    worked = {i: (sources[int(i)], safe[int(i)], what) for i, what in {**report["ran"], **report["odd"]}.items()}
    assert not worked
    assert loads == []
