"""Newsletters keep their layout when they are made safe: every marked element stays where it was."""
import json
import os

import pytest
from test_browser import HERE, browser, made_safe  # noqa: F401 (a fixture)

DIRECTORY = os.path.join(HERE, "..", "html", "newsletters")
NAMES = sorted(name for name in os.listdir(DIRECTORY) if name.endswith(".html"))
WIDTH = 700

# With remote images on, as a reader turns them on, since both shall load the same.
PAGE = """<!doctype html><meta charset=utf-8><link rel=icon href="data:,"><body style="margin:0"><script>
const cases = %s, frames = [];
function boxes(d) {
  const all = {};
  for (const e of d.querySelectorAll('[title^="m-"]')) {
    const r = e.getBoundingClientRect();
    all[e.title] = [r.x, r.y, r.width, r.height].map(Math.round);
  }
  return all;
}
addEventListener("load", () => {
  for (const html of cases) {
    const frame = document.createElement("iframe");
    frame.style.cssText = "display:block;border:0;width:%dpx;height:1500px";
    document.body.appendChild(frame);
    const d = frame.contentDocument;
    d.open(); d.write(html); d.close();
    for (const e of d.querySelectorAll("[data-remote-src]"))
      e.setAttribute(e.localName === "img" ? "src" : "background", e.dataset.remoteSrc);
    frames.push(d);
  }
  setTimeout(() => fetch("/report", {method: "POST", body: JSON.stringify(frames.map(boxes))}), 1500);
});
</script>"""


def wrapped(fragment, doctype):
    return doctype + '<html><head><meta charset="utf-8"></head><body style="margin:0">' + fragment + "</body></html>"


@pytest.fixture(scope="module")
def pairs(shared, dovecot):
    """name → (as it came, as it is shown)."""
    sources = []
    for name in NAMES:
        with open(os.path.join(DIRECTORY, name), encoding="utf-8") as f:
            sources.append(f.read())
    safe = made_safe(shared, dovecot, "newsletters", [s.encode() for s in sources])
    # The page that shows a mail decides on the mode: here the mail's own.
    heads = [s[:s.index("<html")] for s in sources]
    return {name: (source, wrapped(html, head)) for name, source, html, head in zip(NAMES, sources, safe, heads)}


def draw(browser, pairs, directory):  # noqa: F811
    """The pictures of docs/HTML.md."""
    for name, (before, after) in pairs.items():
        stem = os.path.join(directory, name.removesuffix(".html"))
        browser.picture(before, stem + "-before.png", WIDTH, 480)
        browser.picture(after.replace("data-remote-src", "src"), stem + "-after.png", WIDTH, 480)


def test_newsletters_keep_their_layout(browser, pairs):  # noqa: F811
    text = json.dumps([html for pair in pairs.values() for html in pair]).replace("</", "<\\/").replace("<!--", "<\\!--")
    report, _ = browser.show(PAGE % (text, WIDTH))
    moved = {}
    for i, name in enumerate(pairs):
        before, after = report[2 * i], report[2 * i + 1]
        assert len(before) >= 6, name
        for mark, box in before.items():
            there = after.get(mark)
            if there is None or any(abs(a - b) > 1 for a, b in zip(box, there)):
                moved[f"{name} {mark}"] = (box, there)
    assert len(pairs) >= 6 and not moved
    if "PICTURES" in os.environ:
        draw(browser, pairs, os.environ["PICTURES"])
