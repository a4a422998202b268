"""The external service of the checkout, with nothing but Python 3.9 or newer.

    HOOK_SECRET='a long random text' python3 examples/hosts/python/service.py

HOOK_SECRET is the value of the `Authorization` header with which the hook is registered. PORT (3000) and HOST (127.0.0.1)
say where it listens. It is short; `samples/` has what a service in production needs in addition.
"""

import hmac
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/hooks/order"
POINT = "com.example.order.checkout"
# Tenterhook reuses a connection for a minute at most: it must not find one that we are about to close.
KEEP_ALIVE_SECONDS = 65
BODY_BYTES_MAX = 256 * 1024

# Replace these with your own rules: who gets a discount, who may not order, how many articles are in stock.
GOLD = {"ada@example.com"}
BLOCKED = {"eve@example.com"}
IN_STOCK = 10


def decide(data):
    """The answer to the `data` of a document, or None if the order stays as it is."""
    order = data["subject"]
    email = order["customer"]["email"]
    if email == "slow@example.com":
        # To see the deadline and the fallback at work.
        threading.Event().wait()
    if email in BLOCKED:
        # A decision: the checkout has its own words for it.
        return {"commands": [{"type": f"{POINT}.decide", "value": {"decision": "DENY"}}]}
    for place, line in enumerate(order["lines"]):
        if line["quantity"] > IN_STOCK:
            # An error: the checkout shows these words, each beside its field.
            cause = {"errorSummary": f"Only {IN_STOCK} are in stock", "location": f"/lines/{place}/quantity"}
            return {"error": {"errorSummary": "Your order is too large", "errorCauses": [cause]}}
    if email not in GOLD:
        return None
    total = sum(line["quantity"] * line["price"] for line in order["lines"])
    discount = {"code": "GOLD", "amount": total // 10}
    return {"commands": [{"type": f"{POINT}.patch", "value": [{"op": "add", "path": "/discounts/-", "value": discount}]}]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # with 1.0 each call needs a new connection
    timeout = KEEP_ALIVE_SECONDS
    wbufsize = -1  # head and body in one packet
    secret = b""

    def do_POST(self):
        try:
            status, answer = self.respond()
        except Exception as error:  # a call that gets no answer would wait for its whole deadline
            self.log_error("%r", error)
            status, answer = 500, "The service failed"
        self.send_response(status)
        if answer is None:
            return self.end_headers()
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def respond(self):
        """Status, and the object or the text of the body."""
        length = int(self.headers.get("Content-Length", 0))
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return 413, "The document is too long"
        body = self.rfile.read(length)
        if self.path != PATH:
            return 404, f"The hook is POST {PATH}"
        # Compares without telling by its duration where two texts differ.
        if not hmac.compare_digest(self.headers.get("Authorization", "").encode("latin-1"), self.secret):
            return 401, "The Authorization header is not HOOK_SECRET"
        document = json.loads(body)
        answer = decide(document["data"]) if document.get("eventType") == POINT else None
        return (204, None) if answer is None else (200, answer)

    def log_request(self, *_):
        pass  # one line for each call that was answered is too much


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    secret = os.environ.get("HOOK_SECRET")
    if not secret:
        sys.exit("HOOK_SECRET is not set: the value of the Authorization header with which the hook is registered.")
    Handler.secret = secret.encode()
    host = os.environ.get("HOST", "127.0.0.1")
    server = Server((host, int(os.environ.get("PORT", "3000"))), Handler)
    # `shutdown` waits for the loop below, which the signal has interrupted.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on http://{host}:{server.server_address[1]}{PATH}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
