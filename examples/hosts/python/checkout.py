"""A checkout that pauses at Tenterhook before it places an order, with nothing but Python 3.9 or newer.

    TENTERHOOK_URL=http://127.0.0.1:8787 TENTERHOOK_TOKEN=… python3 examples/hosts/python/checkout.py ada@example.com 2

The token has the role HOST for the extension point (`../order-checkout.json`). Arguments are the customer and how many lamps
they order. DEADLINE_MS is how long an order may wait for hooks, 800 without it. It prints what became of the order as JSON.
Its exit status is 0 if the order was placed, 1 if it was denied, and 3 if Tenterhook did not accept our call, which is a defect
of ours: then nothing is sold.
"""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit

POINT = "com.example.order.checkout"
# How long an order may wait for hooks. Tenterhook keeps to it, whatever the services do.
DEADLINE_MS = int(os.environ.get("DEADLINE_MS", "800"))
# How long we wait for Tenterhook, to connect and then for its answer: slightly longer, so that we give up only when
# Tenterhook itself does not answer.
TIMEOUT_SECONDS = (DEADLINE_MS + 200) / 1000


class NotAccepted(Exception):
    """Tenterhook did not accept our call."""


def checkout(order, context):
    """Places the order or denies it: an object with `placed`, and `order` or `message` and `fields`."""
    result = pause(order, context)
    if result is None:
        # Our own policy when Tenterhook itself gives no answer: sell, and let a person look at the order later.
        return {"placed": True, "order": {**order, "review": "The order was not checked"}}

    failure = result.get("failure")
    if failure:
        print(f"A hook failed: {failure['code']}: {failure['text']}", file=sys.stderr)
    if result["resume"] == "CONTINUE":
        # The subject is the order as the hooks have left it, or the fallback of a hook that failed.
        if result.get("decision") == "DENY":
            return {"placed": False, "message": "We cannot accept this order.", "fields": {}}
        return {"placed": True, "order": result["subject"]}
    if result["resume"] == "STOP":
        return refused(result.get("error"))
    # FALL_BACK is for types with a provider of our own, which this one does not have.
    raise ValueError(f"The checkout cannot go on with {result['resume']}")


def refused(error):
    """What the customer reads. STOP without an `error` is the policy of a hook that failed: its cause is not for customers."""
    error = error or {}
    causes = error.get("errorCauses") or []
    return {
        "placed": False,
        "message": error.get("errorSummary") or "We cannot take orders at the moment. Please try again later.",
        "fields": {cause["location"]: cause.get("errorSummary") for cause in causes if cause.get("location")},
    }


def pause(subject, context):
    """The result of the pause, or None when Tenterhook gives none. Raises when Tenterhook does not accept our call."""
    try:
        status, body = post({"subject": subject, "context": context, "deadlineMs": DEADLINE_MS})
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"Tenterhook gives no answer: {error}", file=sys.stderr)
        return None
    # 429: over capacity. The body says what to do meanwhile, as that of a 200 does. A customer waits, so we do not ask
    # again; a job that nobody waits for would, after the seconds of `Retry-After`.
    if status in (200, 429) and body.get("resume"):
        return body
    causes = [cause.get("errorSummary", "") for cause in body.get("errorCauses") or []]
    said = f"Tenterhook answered {status}: {'; '.join([body.get('errorSummary', ''), *causes])}"
    # 400: our question is malformed. 401 and 403: our token. 404: no such point. 413: too long. All of them are ours to repair,
    # and no hook has looked at the order: we do not sell. 408, 429 without `resume` and 5xx are as no answer.
    if status in (400, 401, 403, 404, 413):
        raise NotAccepted(said)
    print(said, file=sys.stderr)
    return None


def post(question):
    """Status and JSON of an invocation. A program that runs on would keep the connection."""
    base = urlsplit(os.environ["TENTERHOOK_URL"])
    connect = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    connection = connect(base.hostname, base.port, timeout=TIMEOUT_SECONDS)
    headers = {"Authorization": f"SSWS {os.environ['TENTERHOOK_TOKEN']}", "Content-Type": "application/json"}
    path = f"{base.path.rstrip('/')}/api/v1/extensionPoints/{POINT}/invocations"
    try:
        connection.request("POST", path, json.dumps(question), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def main():
    for name in ("TENTERHOOK_URL", "TENTERHOOK_TOKEN"):
        if not os.environ.get(name):
            print("TENTERHOOK_URL or TENTERHOOK_TOKEN is not set.", file=sys.stderr)
            sys.exit(2)
    email = sys.argv[1] if len(sys.argv) > 1 else "ada@example.com"
    quantity = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    order = {
        "customer": {"email": email},
        "lines": [{"sku": "lamp", "quantity": quantity, "price": 4900}],
        "discounts": [],
    }
    # The card's number is sensitive: it can be in conditions, and no service gets it.
    context = {"channel": "web", "card": {"brand": "visa", "number": "4111111111111111"}}
    try:
        outcome = checkout(order, context)
    except NotAccepted as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    print(json.dumps(outcome))
    sys.exit(0 if outcome["placed"] else 1)


if __name__ == "__main__":
    main()
