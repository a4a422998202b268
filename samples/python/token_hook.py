"""A whole external service for the token hook, with nothing but the standard library of Python 3.9 or newer.

    HOOK_SECRET='a long random text' python3 samples/python/token_hook.py

HOOK_SECRET is the value of the `Authorization` header with which the hook is registered. PORT (3000) and HOST (127.0.0.1)
say where the service listens. It speaks plain HTTP: put a proxy that ends TLS in front of it. `http.server` is enough for a
first hook; under load call `decide` from the web framework that you know.
"""

import hmac
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/hooks/token"
TOKEN_HOOK = "com.okta.oauth2.tokens.transform"
# Tenterhook waits three seconds for the answer. Past this time we give up and say so.
DEADLINE_SECONDS = 1.0
# Tenterhook reuses a connection for a minute at most: it must not find one that we are about to close.
KEEP_ALIVE_SECONDS = 65
BODY_BYTES_MAX = 256 * 1024
# Lifetimes that a token can get; one outside of them would discard the whole answer.
LIFETIME_SECONDS_MIN, LIFETIME_SECONDS_MAX = 300, 86_400

# What you replace: the tier of each account. Ask your database or another service instead of these lines.
ACCOUNTS = {
    "ada@example.com": {"tier": "gold", "lifetime_seconds": 900},
    "grace@example.com": {"on_hold": True},
}
MACHINES = {"tier": "service", "lifetime_seconds": 600}


def find_account(login):
    # To see the deadline at work.
    if login == "slow@example.com":
        time.sleep(2 * DEADLINE_SECONDS)
    return ACCOUNTS.get(login)


def decide(data):
    """The answer to the `data` of a document: an object, or None if the tokens stay as they are."""
    # A client that gets a token for itself (client credentials) has no user.
    user = data.get("context", {}).get("user")
    profile = (user or {}).get("profile", {})
    account = find_account(profile.get("login")) if user else MACHINES
    if account is None:
        return None
    if account.get("on_hold"):
        return {"error": {"errorSummary": "Account is on hold"}}

    claims = [add("tier", account["tier"])]
    if profile.get("department"):
        claims.append(add("https://example.com/department", profile["department"]))
    seconds = min(max(account["lifetime_seconds"], LIFETIME_SECONDS_MIN), LIFETIME_SECONDS_MAX)
    lifetime = {"op": "replace", "path": "/token/lifetime/expiration", "value": seconds}

    # A command for a token that is not issued would discard the whole answer.
    commands = []
    if "access" in data:
        commands.append({"type": "com.okta.access.patch", "value": [*claims, lifetime]})
    if "identity" in data:
        commands.append({"type": "com.okta.identity.patch", "value": claims})
    return {"commands": commands, "debugContext": {"service": "samples/python"}}


def add(claim, value):
    """The operation that sets a claim; `~` and `/` in its name are escaped, as in every JSON Pointer."""
    return {"op": "add", "path": "/claims/" + claim.replace("~", "~0").replace("/", "~1"), "value": value}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # with 1.0 each call needs a new connection
    timeout = KEEP_ALIVE_SECONDS
    wbufsize = -1  # head and body in one packet
    secret = b""
    workers = ThreadPoolExecutor(max_workers=64)

    def do_POST(self):
        try:
            status, answer = self.respond()
        except Exception as error:  # a call that gets no answer would wait for its whole deadline
            self.log_error("%r", error)
            status, answer = 500, "The service failed"
        if isinstance(answer, str):
            self.log_error("%d: %s", status, answer)
        body = b"" if answer is None else (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Keep-Alive", f"timeout={KEEP_ALIVE_SECONDS}")
        if answer is not None:
            self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def respond(self):
        """Status, and the object or the text of the body."""
        body = self.read_body()
        if self.path.split("?")[0] != PATH:
            return 404, f"The hook's path is {PATH}"
        # Compares without telling by its duration where two texts differ.
        if not hmac.compare_digest(self.headers.get("Authorization", "").encode("latin-1"), self.secret):
            return 401, "The Authorization header is not HOOK_SECRET"
        if body is None:
            return 413, "The document is too long"
        try:
            document = json.loads(body)
        except ValueError:
            return 400, "The document is not JSON"
        # Members that we do not know may come at any time: nothing here minds them. Another type is not for us.
        if not isinstance(document, dict) or document.get("eventType") != TOKEN_HOOK or not document.get("data"):
            return 204, None
        try:
            answer = self.workers.submit(decide, document["data"]).result(DEADLINE_SECONDS)
        except Late:
            # Not an `error`, which would refuse the token: the failure policy of the hook decides.
            return 503, f"No decision within {DEADLINE_SECONDS:g} s"
        return (204, None) if answer is None else (200, answer)

    def read_body(self):
        """The body, or None if it is too long. It is read to its end, so that the connection can be used again."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(length, BODY_BYTES_MAX))
        for start in range(len(body), length, BODY_BYTES_MAX):
            self.rfile.read(min(BODY_BYTES_MAX, length - start))
        return body if length <= BODY_BYTES_MAX else None

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
