"""What was found about each operation, and what was known before."""
import json
import os
import re

import facts
import schema

HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "baseline.json")
REASONS = os.path.join(HERE, "deviations.json")
OPENAPI = os.path.join(facts.ROOT, "docs", "openapi.json")
PAGE = os.path.join(facts.ROOT, "docs", "COMPATIBILITY.md")
BEGIN = "<!-- begin of what `tests/run compat` checks -->"
END = "<!-- end of what `tests/run compat` checks -->"

# Why the check saw no such field in an answer; the first that fits "OPERATION PLACE" counts.
UNSEEN = (
    (r"oauth2|\.app$|baseScopes|tokenRequest|outlookSubscription|delegationError|redirect|accessToken",
     "comes with OAuth2 applications"),
    (r"smtp|sendOnly", "comes with sending"),
    (r"postV1Chat|documentStore", "there is no document store"),
    (r"labels|category", "only on Gmail; tested elsewhere"),
    (r"emailId|mailboxId|mailboxes\[\]\.id", "only where the server has OBJECTID"),
    (r"signatures", "IMAP servers keep none"),
    (r"License answer\.details", "this license has no such thing"),
    (r"Stats (answer\.)?(node|imapflow|bullmq)", "names a part that is not in use"),
    (r"webhookErrorFlag", "only while a route cannot deliver"),
    (r"redisWarnings", "only while Redis has a problem"),
    (r"syncError|lastError\.description|mailboxes\[\]\.status\.error|noInferiors|statusCode|responseText|flags\.result",
     "only in cases that the servers of this check do not bring about"),
    (r"Blocklist.*messageId", "comes with links for unsubscribing"),
    (r"quota", "only where the server has QUOTA; tested elsewhere"),
    (r"preview", "in the detail of a message, where the server has PREVIEW"),
    (r"messages\[\]\.bounces", "in the detail of a message only"),
    (r"bounces", "only of reports about delivery; tested elsewhere"),
    (r"isAutoReply", "only of automatic replies; tested elsewhere"),
    (r"tokens\[\]\.access\.ip", "in GET /v1/tokens and of one token"),
    (r"AccountMessage answer\.seq", "IMAP does not tell the number of an uploaded message"),
    (r"AccountMessage answer\.reference\.(threadId|error)", "of a reference that was not found; tested elsewhere"),
    (r"AccountMessages answer\.flags\.set|idMap\[\]|deletedMessages",
     "the search of this check finds nothing to change; tested elsewhere"),
)


def read(path, default):
    if not os.path.exists(path):
        return default
    with open(path, encoding="utf-8") as f:
        return json.load(f)


class Operation:
    """faults: place -> what deviates; seen: places of the answer that some call showed."""

    def __init__(self, document, fact):
        self.fact, self.name = fact, facts.name_of(fact)
        self.places = [place for place, _ in facts.places(fact)]
        found = schema.compare_operation(document, fact)
        self.is_there = found is not None
        self.additions = [place for place, what in found or () if schema.ADDITION in what]
        self.faults = {place: list(what) for place, what in found or () if what and schema.ADDITION not in what}
        self.seen, self.called = set(), False

    def blame(self, place, what):
        if place in self.additions:
            return
        self.faults.setdefault(place, []).append(what)

    def good_places(self):
        """Fields that are as they should be."""
        if not self.is_there:
            return []
        return [p for p in self.places if p not in self.faults]

    def unseen(self):
        return [p for p in self.places if p.startswith("answer.") and p not in self.seen]


class Report:
    def __init__(self):
        self.document = schema.Document.read(OPENAPI)
        self.operations = {facts.name_of(f): Operation(self.document, f) for f in facts.in_scope()}
        self.baseline = read(BASELINE, {})
        self.reasons = read(REASONS, {})

    def sums(self):
        """(operations that are there, all, fields as they should be, all)."""
        ops = self.operations.values()
        return (sum(op.is_there for op in ops), len(ops), sum(len(op.good_places()) for op in ops),
                sum(len(op.places) for op in ops))

    def unexplained(self, op):
        """Deviations without a reason."""
        known = self.reasons.get(op.name, {})
        return [f"{place or 'the operation'}: {'; '.join(what)}" for place, what in op.faults.items()
                if place not in known]

    def lost(self, op):
        """What was there before and is not any more."""
        before = self.baseline.get(op.name)
        if before is None:
            return []
        if not op.is_there:
            return ["the operation is gone"]
        missed = [p for p in op.unseen() if p not in before["unseen"]] if op.called else []
        return [f"{place} was in an answer before" for place in missed]

    def unseen_by_reason(self):
        """reason -> fields of answers that no call showed; reason None: nobody knows why."""
        out = {}
        for op in self.operations.values():
            for place in op.unseen() if op.is_there and op.called else ():
                reason = next((why for what, why in UNSEEN if re.search(what, f"{op.name} {place}")), None)
                out.setdefault(reason, []).append((op.name, place))
        return out

    def save(self):
        new = {op.name: {"unseen": op.unseen()} for op in self.operations.values() if op.is_there}
        with open(BASELINE, "w", encoding="utf-8") as f:
            json.dump(new, f, indent=1)
            f.write("\n")

    # --- the page ---

    def rows(self):
        """Lines of the page about what is missing or differs."""
        missing = [op.fact for op in self.operations.values() if not op.is_there]
        return ([f"- `{fact['method']} {fact['path']}`" for fact in missing] +
                [f"| `{op.name}` | `{place}` | added |" for op in self.operations.values() for place in op.additions] +
                [f"| `{name}` | {f'`{place}`' if place else ''} | {reason} |"
                 for name, places in self.reasons.items() for place, reason in places.items()])

    def text(self):
        """The generated part of the page about compatibility."""
        there, wanted, good, fields = self.sums()
        rows = self.rows()
        names = {facts.name_of(f): f for f in facts.load()}
        lines = [BEGIN, "", f"{there} of {wanted} operations and {good} of {fields} fields are as the facts say, and "
                 "were called on a running daemon.", "", "Operations that come later, and are not counted:", ""]
        for why, later in facts.LATER.items():
            lines.append(f"- {why}: " + ", ".join(f"`{names[n]['method']} {names[n]['path']}`" for n in later))
        missing = [row for row in rows if row.startswith("-")]
        if missing:
            lines += ["", "Operations that are not there yet:", "", *missing]
        different = [row for row in rows if row.startswith("|")]
        if different:
            lines += ["", "| operation | field | why it differs |", "| --- | --- | --- |", *different]
        lines += ["", "Fields of answers that are described, but that no call of the check showed:", "",
                  "| fields | why |", "| --- | --- |"]
        for reason, places in self.unseen_by_reason().items():
            names_ = sorted({place[7:] for _, place in places})
            shown = ", ".join(f"`{n}`" for n in names_[:6]) + (" …" if len(names_) > 6 else "")
            lines.append(f"| {len(places)}: {shown} | {reason} |")
        return "\n".join([*lines, "", END])

    def page(self):
        with open(PAGE, encoding="utf-8") as f:
            return f.read()

    def page_as_it_should_be(self):
        page = self.page()
        head, _, rest = page.partition(BEGIN)
        tail = rest.partition(END)[2]
        return head + self.text() + tail

    def save_page(self):
        wanted = self.page_as_it_should_be()
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(wanted)
