"""The facts of the compatible API, and which of them are in scope."""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
FACTS = os.path.join(HERE, "..", "facts", "emailengine-operations.json")

# Operations that come with sending, exports and OAuth2 applications. Named one by one: a tag could
# hide an operation that nobody thought of.
LATER = {
    "submit": ("postV1AccountAccountSubmit", "postV1AccountAccountMessageMessageSubmit"),
    "outbox": ("getV1Outbox", "getV1OutboxQueueid", "deleteV1OutboxQueueid"),
    "templates": ("getV1Templates", "deleteV1TemplatesAccountAccount", "postV1TemplatesTemplate",
                  "getV1TemplatesTemplateTemplate", "putV1TemplatesTemplateTemplate",
                  "deleteV1TemplatesTemplateTemplate"),
    "gateways": ("postV1Gateway", "putV1GatewayEditGateway", "getV1GatewayGateway", "deleteV1GatewayGateway",
                 "getV1Gateways"),
    "export": ("postV1AccountAccountExport", "getV1AccountAccountExportExportid",
               "deleteV1AccountAccountExportExportid", "getV1AccountAccountExportExportidDownload",
               "getV1AccountAccountExports"),
    "oauth2": ("getV1Oauth2", "postV1Oauth2", "getV1Oauth2App", "putV1Oauth2App", "deleteV1Oauth2App",
               "postV1Oauth2AppVerify", "getV1PubsubStatus", "getV1AccountAccountOauthtoken"),
    "delivery tests": ("postV1DeliverytestAccountAccount", "getV1DeliverytestCheckDeliverytest"),
    "hosted forms": ("postV1AuthenticationForm", "GET /accounts/new", "POST /accounts/new",
                     "POST /accounts/new/imap", "POST /accounts/new/imap/test", "POST /accounts/new/imap/server",
                     "GET /oauth", "POST /oauth/msg/notification", "POST /oauth/msg/lifecycle",
                     "GET /.well-known/acme-challenge/{token}"),
    "tracking": ("GET /redirect", "GET /open.gif", "GET /unsubscribe", "POST /unsubscribe",
                 "POST /unsubscribe/address"),
    "tools for models": ("POST /mcp", "GET /mcp", "DELETE /mcp",
                         "GET /.well-known/oauth-protected-resource/{suffix?}",
                         "GET /.well-known/oauth-authorization-server", "POST /mcp/oauth/register",
                         "POST /mcp/oauth/token"),
}


def name_of(fact):
    return fact.get("operationId") or f"{fact['method']} {fact['path']}"


def load():
    with open(FACTS, encoding="utf-8") as f:
        facts = json.load(f)
    return facts["operations"] + facts["otherEndpoints"]


def in_scope():
    """Every operation that has to be there, in the order of the facts."""
    everything = load()
    later = {name for names in LATER.values() for name in names}
    unknown = later - {name_of(fact) for fact in everything}
    assert not unknown, f"no such operation: {unknown}"
    return [fact for fact in everything if name_of(fact) not in later]


def fields_of(node):
    """The members of an object node, or {}."""
    return (node or {}).get("fields") or {}


def walk(node, path=""):
    """(path, node) of a node and everything in it."""
    if not node:
        return
    yield path, node
    for name, child in fields_of(node).items():
        yield from walk(child, f"{path}.{name}" if path else name)
    items = node.get("items")
    if isinstance(items, dict):
        yield from walk(items, path + "[]")


def places(fact):
    """(place, node) of all that an operation takes and gives: every parameter, body and answer field."""
    for where in ("pathParams", "queryParams"):
        for param in fact.get(where) or ():
            yield from walk(param, f"{where[:-6]}.{param['name']}")
    for where, key in (("body", "requestBody"), ("answer", "response200")):
        for path, node in walk(fact.get(key)):
            if path:
                yield f"{where}.{path}", node
