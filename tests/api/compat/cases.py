"""For each operation: what to call it with. Fields that a case does not name get a value made from the facts."""
from dataclasses import dataclass
from typing import Callable

from values import OMIT

NETWORKS = {"restrictions.referrers": ["https://example.com/*"], "restrictions.addresses[]": "127.0.0.0/8",
            "restrictions.addresses": ["127.0.0.0/8"], "metadata": '{"a": 1}'}
NO_ELASTIC = {"documentStore": "N"}
# A search that finds something: what a mailbox cannot have is left out.
SEARCH = {"seq": "1:*", "uid": OMIT, "answered": OMIT, "deleted": False, "draft": OMIT, "unseen": OMIT, "flagged": OMIT,
          "seen": OMIT, "from": "example", "to": OMIT, "cc": OMIT, "bcc": OMIT, "body": OMIT, "subject": "Message",
          "larger": 1, "smaller": 1_000_000, "modseq": OMIT, "before": "2030-01-01T00:00:00Z",
          "since": "2000-01-01T00:00:00Z", "sentBefore": "2030-01-01T00:00:00Z",
          "sentSince": "2000-01-01T00:00:00Z", "emailId": OMIT, "threadId": OMIT, "header": {"Message-ID": "plain"},
          "gmailRaw": OMIT, "labels": OMIT, "emailIds": OMIT}
SEARCH_OF = {f"search.{name}": value for name, value in SEARCH.items()}


def _account(world):
    return {"account": world.account}


def _message(world):
    return {"account": world.account, "message": world.spare_message()}


def _imap(world, prefix="imap"):
    """Overrides that make the IMAP part of a body work."""
    imap = world.imap()
    return {f"{prefix}.auth.user": imap["auth"]["user"], f"{prefix}.auth.pass": imap["auth"]["pass"],
            f"{prefix}.auth.accessToken": OMIT, f"{prefix}.host": imap["host"], f"{prefix}.port": imap["port"],
            f"{prefix}.secure": True, f"{prefix}.useAuthServer": False, f"{prefix}.disabled": False,
            f"{prefix}.tls.minVersion": "TLSv1.2", f"{prefix}.disableIMAP4rev2": False}


def _smtp():
    return {"smtp.auth.accessToken": OMIT, "smtp.useAuthServer": False, "smtp.tls.minVersion": "TLSv1.2"}


def _new_account(world):
    return {"account": f"made{world.number()}", "proxy": "", "oauth2": OMIT, "webhooks": "", "path": ["INBOX"],
            "subconnections": ["Sent"], **_imap(world), **_smtp()}


@dataclass
class Case:
    path: Callable = lambda world: {}
    query: Callable = lambda world: {}      # of the minimal call; overrides of the full one
    full_query: Callable = lambda world: {}  # more overrides
    body: Callable = lambda world: {}       # the minimal body
    full_body: Callable = lambda world: {}  # overrides, by place
    also: Callable = lambda world: []       # (path, query, body) of more calls that show other fields
    status: int = 200
    stream: bool = False  # the answer has no end


def _always(value):
    return lambda world: value


def _attachment(world):
    return {"account": world.account, "attachment": world.detail["attachments"][0]["id"]}


def _text(world):
    return {"account": world.account, "text": world.detail["text"]["id"]}


def _new_token(world):
    return {"account": world.account, "description": "a token", "scopes": ["api"]}


_TOKEN = Case(body=_new_token, full_body=lambda w: {**NETWORKS, "account": w.account})
_ON_ACCOUNT = Case(path=_account)
_BY_PATH = {"path": "INBOX"}
_SETTINGS = {name: "N" for name in ("webhooksEnabled", "proxyEnabled", "httpProxyEnabled", "inboxNewOnly")} | {
    "webhooks": "", "authServer": "", "localAddresses": ["127.0.0.1"], "scriptEnv": "{}", "webhookEvents": ["messageNew"],
    "openAiTemperature": 1, "openAiTopP": 1, "notifyHeaders": ["List-ID"], "timezone": "Europe/Berlin",
    "smtpServerEnabled": False, "imapProxyServerEnabled": False, "mcpEnabled": False, "documentStoreEnabled": False,
    "sentryEnabled": False, "serviceSecret": "a secret", "tokenAuditLog": "on"}

CASES = {
    "postV1Account": Case(body=lambda w: {"account": f"made{w.number()}", "name": "Made", "imap": w.imap()},
                          full_body=_new_account),
    "getV1AccountAccount": Case(
        path=_account,
        also=lambda w: [({"account": name}, {}, None) for name in (w.full_account(), w.refused_account())]),
    "putV1AccountAccount": Case(
        path=lambda w: {"account": w.spare_account()},
        full_body=lambda w: {**_new_account(w), "account": OMIT, "imap.partial": False, "smtp.partial": False}),
    "deleteV1AccountAccount": Case(path=lambda w: {"account": w.spare_account()}),
    "getV1AccountAccountAttachmentAttachment": Case(path=_attachment),
    "putV1AccountAccountFlush": Case(path=lambda w: {"account": w.spare_account()}, body=_always({"flush": True})),
    "postV1AccountAccountMailbox": Case(path=_account, body=lambda w: {"path": f"New{w.number()}"},
                                        full_body=lambda w: {"path": ["Parent", f"New{w.number()}"]}),
    "putV1AccountAccountMailbox": Case(
        path=_account, body=lambda w: {"path": w.spare_mailbox(), "newPath": f"Renamed{w.number()}"},
        full_body=lambda w: {"path": w.spare_mailbox(), "newPath": [f"Renamed{w.number()}"]}),
    "deleteV1AccountAccountMailbox": Case(path=_account, query=lambda w: {"path": w.spare_mailbox()}),
    "getV1AccountAccountMailboxes": _ON_ACCOUNT,
    "postV1AccountAccountMessage": Case(
        path=_account,
        body=_always({"path": "Drafts", "from": {"address": "ann@example.com"}, "subject": "Uploaded"}),
        full_body=lambda w: {"path": "Drafts", "flags": ["\\Seen"], "raw": OMIT, "reference.message": w.rich,
                             "reference.action": "forward", "reference.messageId": "<rich@example.com>",
                             "reference.threadId": OMIT, "attachments[].reference": OMIT, "internalDate": "2024-01-02T03:04:05Z",
                             "attachments[].contentDisposition": "attachment", "attachments[].contentType": "text/plain",
                             "messageId": "<uploaded@example.com>", "headers": {"X-Made": "here"}, "locale": "en",
                             "tz": "Europe/Berlin"}),
    "getV1AccountAccountMessageMessage": Case(path=lambda w: {"account": w.account, "message": w.rich},
                                              full_query=_always({"maxBytes": 100000, "textType": "*", **NO_ELASTIC}),
                                              also=lambda w: [({"account": w.account, "message": row["id"]}, {}, None)
                                                              for row in w.rows]),
    "putV1AccountAccountMessageMessage": Case(
        path=_message, body=_always({"flags": {"add": ["\\Flagged"]}}),
        full_body=_always({"flags.add": ["\\Flagged"], "flags.delete": ["\\Seen"], "flags.set": OMIT, "labels": OMIT}),
        also=lambda w: [(_message(w), {}, {"flags": {"set": ["\\Seen"]}})]),
    "deleteV1AccountAccountMessageMessage": Case(path=_message),
    "putV1AccountAccountMessageMessageMove": Case(path=_message, body=_always({"path": "Archive"}),
                                                  full_body=_always({"path": "Archive", "source": "INBOX"})),
    "getV1AccountAccountMessageMessageSource": Case(path=lambda w: {"account": w.account, "message": w.rich}),
    "getV1AccountAccountMessages": Case(path=_account, query=_always(_BY_PATH),
                                        full_query=_always({"cursor": OMIT, "page": 0, "pageSize": 100, **NO_ELASTIC})),
    "putV1AccountAccountMessages": Case(
        path=_account, query=_always(_BY_PATH),
        body=lambda w: {"search": {"seen": False}, "update": {"flags": {"add": ["Bulk"]}}},
        full_body=_always({**SEARCH_OF, "update.flags.add": ["\\Flagged"], "update.flags.delete": ["\\Answered"],
                           "update.flags.set": OMIT, "update.labels": OMIT})),
    "putV1AccountAccountMessagesDelete": Case(
        path=_account, query=lambda w: {"path": w.spare_mailbox()}, body=_always({"search": {}}),
        full_body=_always(SEARCH_OF)),
    "putV1AccountAccountMessagesMove": Case(
        path=_account, query=lambda w: {"path": w.spare_mailbox()}, body=_always({"search": {}, "path": "Archive"}),
        full_body=_always({**SEARCH_OF, "path": "Archive"})),
    "putV1AccountAccountReconnect": Case(path=lambda w: {"account": w.spare_account()}, body=_always({"reconnect": True})),
    "postV1AccountAccountSearch": Case(
        path=_account, query=_always(_BY_PATH), body=_always({"search": {"subject": "Message"}}),
        also=lambda w: [(_account(w), _BY_PATH, {"search": {}})],
        full_query=_always({"cursor": OMIT, "page": 0, "pageSize": 100, "useOutlookSearch": "N",
                                "exposeQuery": OMIT, **NO_ELASTIC}),
        full_body=_always({**SEARCH_OF, "documentQuery": OMIT})),
    "getV1AccountAccountServersignatures": _ON_ACCOUNT,
    "putV1AccountAccountSync": Case(path=_account, body=_always({"sync": True})),
    "getV1AccountAccountTextText": Case(path=_text, full_query=_always({"maxBytes": 100000, "textType": "*", **NO_ELASTIC})),
    "getV1Accounts": Case(
        also=lambda w: [({}, {"pageSize": 1000}, None)] if w.full_account() and w.refused_account() else [],
        full_query=_always({"page": 0, "pageSize": 100, "state": "connected", "query": "compat"})),
    "getV1Autoconfig": Case(query=_always({"email": "someone@gmail.com"})),
    "getV1BlocklistListid": Case(path=_always({"listId": "list.example.com"}), full_query=_always({"page": 0})),
    "postV1BlocklistListid": Case(path=_always({"listId": "list.example.com"}),
                                  body=lambda w: {"account": w.account, "recipient": "min@example.com"},
                                  full_body=lambda w: {"account": w.account}),
    "deleteV1BlocklistListid": Case(path=_always({"listId": "list.example.com"}),
                                    query=_always({"recipient": "min@example.com"})),
    "getV1Blocklists": Case(full_query=_always({"page": 0})),
    "getV1Changes": Case(stream=True),
    # Chats need a document store, which is off as it is there by default.
    "postV1ChatAccount": Case(path=_account, body=_always({"question": "Who wrote?"}), status=404),
    "getV1License": Case(),
    "postV1License": Case(body=_always({"license": "any"})),
    "deleteV1License": Case(),
    "getV1LogsAccount": _ON_ACCOUNT,
    "getV1Settings": Case(
        query=_always({"webhooksEnabled": True}),
        also=lambda w: [({}, {"webhookEvents": True, "webhooksCustomHeaders": True, "notifyHeaders": True, "logs": True,
                              "localAddresses": True}, None)] if w.some_settings() else []),
    "postV1Settings": Case(body=_always({"notifyText": True}), full_body=_always(_SETTINGS)),
    "getV1SettingsQueueQueue": Case(path=_always({"queue": "notify"})),
    "putV1SettingsQueueQueue": Case(path=_always({"queue": "notify"}), full_body=_always({"paused": False})),
    "getV1Stats": Case(),
    "postV1Token": _TOKEN,
    "deleteV1TokenToken": Case(path=lambda w: {"token": w.spare_token()}),
    "getV1Tokens": Case(full_query=lambda w: {"page": 0, "account": w.account, "query": "token"}),
    "postV1Tokens": _TOKEN,
    "getV1TokensAccountAccount": _ON_ACCOUNT,
    "getV1TokensToken": Case(path=lambda w: {"token": w.spare_token()},
                             also=lambda w: [({"token": t}, {}, None) for t in (w.full_token(), w.used_token())]),
    "deleteV1TokensToken": Case(path=lambda w: {"token": w.spare_token()}),
    "getV1TokensTokenLog": Case(path=lambda w: {"token": w.used_token()}),
    "postV1UnifiedSearch": Case(
        also=lambda w: [({}, {}, {"accounts": [w.account], "search": {}})],
        body=_always({"search": {"subject": "Message"}}),
        full_query=_always({"page": 0, "exposeQuery": OMIT}),
        full_body=lambda w: {**SEARCH_OF, "accounts": [w.account], "paths": ["INBOX"], "documentQuery": OMIT}),
    "postV1Verifyaccount": Case(body=lambda w: {"imap": w.imap()},
                                full_body=lambda w: {**_imap(w), **_smtp(), "proxy": "", "smtp": OMIT},
                                also=lambda w: [({}, {}, {"imap": w.imap(auth={"user": "nobody", "pass": "wrong"})})]),
    "getV1Webhookroutes": Case(full_query=_always({"page": 0}),
                               also=lambda w: [({}, {}, None)] if w.route() else []),
    "getV1WebhookroutesWebhookrouteWebhookroute": Case(path=lambda w: {"webhookRoute": w.route()}),
    "GET /health": Case(),
    "GET /metrics": Case(),
    "GET /swagger.json": Case(),
}
