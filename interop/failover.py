"""Two nodes on a PostgreSQL that fails over five times, under load: nothing acknowledged may be lost, and no node may need
a restart. The configuration of Patroni and HAProxy is that of docs/postgresql.md, with other addresses and folders."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

BINARY = os.environ["TENTERHOOK_BINARY"]
BIN_DIR = os.environ["TENTERHOOK_POSTGRES_BINARIES"]
DOCS = os.path.join(os.path.dirname(__file__), "..", "docs", "postgresql.md")
DATABASE_SERVERS = {"db1": "127.0.0.11", "db2": "127.0.0.12"}
ETCD = "127.0.0.21"
NODES = ["127.0.0.31:8080", "127.0.0.32:8080"]
# Seconds for the cluster to have a primary and a synchronous standby again, and for the nodes to serve after that.
CLUSTER_SECONDS, NODES_SECONDS, START_SECONDS = 180, 60, 120
REQUEST_SECONDS = 30


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def blocks():
    """The fenced blocks of the page, by the file that their first line names."""
    text = open(DOCS, encoding="utf-8").read()
    found = {}
    for block in re.findall(r"^```\w+\n(.*?)^```$", text, re.M | re.S):
        name = re.match(r"[#;] (\S+)\n", block)
        if name:
            found[os.path.basename(name.group(1))] = block.replace("10.0.0.", "127.0.0.")
    return found


def wait_for(what, seconds, state):
    """Waits until `state()` is true, and answers with it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = state()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s")


class Cluster:
    """Etcd, two members of Patroni, HAProxy."""

    def __init__(self, folder):
        self.folder, self.processes, self.logs = folder, {}, []
        self.files = blocks()
        # PostgreSQL refuses to run as the superuser.
        self.account = []
        if os.geteuid() == 0:
            self.account = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(folder, "postgres", "postgres")
        for name, address in DATABASE_SERVERS.items():
            text = self.files["config.yml"].replace("127.0.0.11:", f"{address}:").replace("name: db1", f"name: {name}")
            text = text.replace("/var/lib/postgresql/tenterhook", f"{folder}/{name}")
            text = text.replace("/usr/lib/postgresql/15/bin", BIN_DIR)
            text += f"  pgpass: {folder}/{name}.pgpass\n  parameters:\n    unix_socket_directories: ''\n"
            self.write(f"{name}.yml", text)
        self.write("haproxy.cfg", self.files["haproxy.cfg"])

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, name, *command, account=True):
        log = open(os.path.join(self.folder, f"{name}.log"), "a", encoding="utf-8")
        command = (self.account if account else []) + list(command)
        self.processes[name] = subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def start_etcd(self):
        client, peer = f"http://{ETCD}:2379", f"http://{ETCD}:2380"
        self.start(
            "etcd", "etcd", "--name", "one", "--data-dir", f"{self.folder}/etcd", "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"one={peer}",
        )  # fmt: skip

    def start_member(self, name):
        self.start(name, "patroni", f"{self.folder}/{name}.yml")

    def start_haproxy(self):
        self.start("haproxy", "haproxy", "-db", "-f", f"{self.folder}/haproxy.cfg")

    def members(self):
        ask = ["patronictl", "-c", f"{self.folder}/db1.yml", "list", "-f", "json"]
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=30, check=False)
        return json.loads(answer.stdout) if answer.returncode == 0 and answer.stdout.strip() else []

    def leader(self):
        return next((it["Member"] for it in self.members() if it["Role"] == "Leader" and it["State"] == "running"), None)

    def whole(self):
        """Whether one leads and the other has everything that is acknowledged."""
        roles = {it["Role"] for it in self.members() if it["State"] in ("running", "streaming")}
        return roles == {"Leader", "Sync Standby"}

    def postgres(self, name):
        """The server of a member with all its processes."""
        try:
            first = int(open(os.path.join(self.folder, name, "postmaster.pid"), encoding="ascii").readline())
        except (OSError, ValueError):
            return []
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(first)], capture_output=True, text=True, check=False)
        return [first, *map(int, children.stdout.split())]

    def signal(self, name, number, *, agent=True, server=True):
        """Sends a signal to the agent of a member first, then to all processes of its server."""
        for pid in ([self.processes[name].pid] if agent else []) + (self.postgres(name) if server else []):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def switch(self):
        switch = ["patronictl", "-c", f"{self.folder}/db1.yml", "switchover", "--force"]
        subprocess.run(switch, capture_output=True, timeout=60, check=True)

    def stop(self):
        for name in ("haproxy", "db1", "db2", "etcd"):
            process = self.processes.get(name)
            if not process:
                continue
            if name in DATABASE_SERVERS:
                self.signal(name, signal.SIGCONT)
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            if name in DATABASE_SERVERS:
                self.signal(name, signal.SIGKILL, agent=False)


class Node:
    """A node of Tenterhook."""

    def __init__(self, cluster, number, address):
        self.address = address
        host, port = address.split(":")
        self.where = (host, int(port))
        database = re.search(r"^database = .*$", cluster.files["tenterhook.toml"], re.M).group(0)
        cluster.write(
            f"node{number}.toml",
            f'[server]\nlisten = "{address}"\nbase_url = "http://tenterhook.example"\napi_requests_per_minute = 1000000\n'
            f'[store]\n{database}\n[keys]\nmaster_key_file = "{cluster.folder}/master.key"\n',
        )
        self.name = f"node{number}"
        cluster.start(
            self.name, BINARY, "serve", "--config", f"{cluster.folder}/{self.name}.toml", account=False
        )
        self.process, self.log = cluster.processes[self.name], f"{cluster.folder}/{self.name}.log"

    def ask(self, method, path, headers, body=None, seconds=REQUEST_SECONDS):
        """Status, headers and body; 0 without an answer."""
        connection = http.client.HTTPConnection(*self.where, timeout=seconds)
        try:
            connection.request(method, path, body, {"host": "tenterhook.example", **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, {}, b""
        finally:
            connection.close()

    def api(self, token, method, path, body=None):
        headers = {"authorization": f"SSWS {token}", "content-type": "application/json"}
        status, headers, answer = self.ask(method, path, headers, json.dumps(body) if body is not None else None)
        try:
            return status, headers, json.loads(answer) if answer else None
        except ValueError:
            return status, headers, None

    def is_ready(self):
        return self.ask("GET", "/readyz", {}, seconds=5)[0] == 200


class Load:
    """Writers and token requests on every node; keeps what was acknowledged."""

    def __init__(self, nodes, admin, client):
        self.nodes, self.admin, self.client = nodes, admin, client
        self.users, self.clients, self.tokens = [], [], 0
        self.statuses, self.lock, self.ended = {}, threading.Lock(), threading.Event()
        self.threads = [
            threading.Thread(target=self.run, args=(work, node, pause), daemon=True)
            for node in nodes
            for work, pause in ((self.user, 0.3), (self.user, 0.3), (self.registration, 2.0), (self.token, 0.2))
        ]
        self.numbers = iter(range(1, 10**9))

    def start(self):
        for thread in self.threads:
            thread.start()

    def run(self, work, node, pause):
        while not self.ended.is_set():
            with self.lock:
                number = next(self.numbers)
            status = work(node, number)
            with self.lock:
                key = (work.__name__, status)
                self.statuses[key] = self.statuses.get(key, 0) + 1
            self.ended.wait(pause)

    def user(self, node, number):
        login = f"u{number}@example.com"
        body = {"profile": {"firstName": "A", "lastName": "B", "email": login, "login": login}}
        status, _, user = node.api(self.admin, "POST", "/api/v1/users?activate=true", body)
        if status == 200:
            with self.lock:
                self.users.append(user["id"])
        return status

    def registration(self, node, number):
        body = {"client_name": f"c{number}", "grant_types": ["client_credentials"]}
        status, _, client = node.api(self.admin, "POST", "/oauth2/v1/clients", body)
        if status in (200, 201):
            with self.lock:
                self.clients.append(client["client_id"])
        return status

    def token(self, node, _):
        basic = base64.b64encode(":".join(self.client).encode()).decode()
        headers = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}
        form = "grant_type=client_credentials&scope=failover"
        status = node.ask("POST", "/oauth2/default/v1/token", headers, form)[0]
        if status == 200:
            with self.lock:
                self.tokens += 1
        return status

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(2 * REQUEST_SECONDS)

    def acknowledged(self):
        with self.lock:
            return list(self.users), list(self.clients), self.tokens


def answered(node, admin, path):
    """The answer to a question, once there is one: 200 or 404."""

    def answer():
        status, headers, body = node.api(admin, "GET", path)
        assert status in (0, 200, 404, 503), f"{path}: {status} {body}"
        return (headers, body if status == 200 else None) if status in (200, 404) else None

    return wait_for(f"{node.name} answers {path}", NODES_SECONDS, answer)


def every(node, admin, path):
    """All objects of a list, page by page."""
    while path:
        headers, page = answered(node, admin, path)
        assert page is not None, f"{path} is not there"
        yield from page
        following = [re.match(r'<([^>]+)>; rel="next"', link) for link in headers.get_all("link") or []]
        following = [it.group(1) for it in following if it]
        path = None
        if following and page:
            parts = urllib.parse.urlsplit(following[0])
            path = f"{parts.path}?{parts.query}"


def check(nodes, admin, users, clients):
    """Everything that was acknowledged is there, on every node."""
    for node in nodes:
        lost = [user for user in users if answered(node, admin, f"/api/v1/users/{user}")[1] is None]
        assert not lost, f"{len(lost)} of {len(users)} acknowledged users are gone, such as {lost[:3]}"
        known = {client["client_id"] for client in every(node, admin, "/oauth2/v1/clients?limit=200")}
        lost = [client for client in clients if client not in known]
        assert not lost, f"{len(lost)} of {len(clients)} acknowledged clients are gone, such as {lost[:3]}"


def killed(cluster, primary):
    cluster.signal(primary, signal.SIGKILL)
    cluster.processes[primary].wait()
    yield
    cluster.start_member(primary)


def frozen(cluster, primary):
    cluster.signal(primary, signal.SIGSTOP)
    yield
    # What a watchdog does to such a machine; its server comes back as the primary that it was.
    cluster.signal(primary, signal.SIGKILL, server=False)
    cluster.processes[primary].wait()
    cluster.signal(primary, signal.SIGCONT, agent=False)
    cluster.start_member(primary)


def switched(cluster, _):
    cluster.switch()
    yield


def silent(cluster, _):
    proxy = cluster.processes["haproxy"]
    os.kill(proxy.pid, signal.SIGSTOP)
    cluster.switch()
    yield
    # Longer than a statement may take.
    time.sleep(10)
    proxy.kill()
    proxy.wait()
    cluster.start_haproxy()


def stopped(cluster, primary):
    cluster.signal(primary, signal.SIGTERM, server=False)
    yield
    cluster.processes[primary].wait(60)
    cluster.start_member(primary)


FAILOVERS = [
    ("the primary and its agent are killed", killed),
    ("the primary's machine freezes, and comes back", frozen),
    ("the primary is switched", switched),
    ("the proxy forwards nothing any more while the primary is switched", silent),
    ("the primary is stopped", stopped),
]


def run(cluster):
    cluster.start_etcd()
    cluster.start_member("db1")
    wait_for("a first primary", START_SECONDS, cluster.leader)
    cluster.start_member("db2")
    cluster.start_haproxy()
    wait_for("a standby", START_SECONDS, cluster.whole)
    say("etcd, two PostgreSQL servers with synchronous replication, HAProxy: up")
    make = "CREATE ROLE tenterhook LOGIN PASSWORD 'change-me-4'; "
    url = "postgres://postgres:change-me-1@127.0.0.31:5000/postgres"
    psql = [os.path.join(BIN_DIR, "psql"), "-q", "-v", "ON_ERROR_STOP=1", url]
    wait_for(
        "the proxy", 30, lambda: subprocess.run([*psql, "-c", make], capture_output=True, check=False).returncode == 0
    )
    subprocess.run([*psql, "-c", "CREATE DATABASE tenterhook OWNER tenterhook"], check=True)

    subprocess.run([BINARY, "keys", "generate", "--out", f"{cluster.folder}/master.key"], check=True)
    nodes = [Node(cluster, number, address) for number, address in enumerate(NODES, 1)]
    for node in nodes:
        wait_for(f"{node.name} is ready", START_SECONDS, node.is_ready)
    said = "".join(open(node.log, encoding="utf-8").read() for node in nodes)
    tokens = re.findall(r"bootstrap admin token: (\S+)", said)
    assert len(tokens) == 1, "one bootstrap token, however many nodes start"
    admin = tokens[0]
    body = {"client_name": "load", "grant_types": ["client_credentials"]}
    _, _, client = nodes[0].api(admin, "POST", "/oauth2/v1/clients", body)
    _, _, servers = nodes[1].api(admin, "GET", "/api/v1/authorizationServers")
    path = f"/api/v1/authorizationServers/{servers[0]['id']}/scopes"
    status, _, scope = nodes[1].api(admin, "POST", path, {"name": "failover"})
    assert status == 201, scope
    load = Load(nodes, admin, (client["client_id"], client["client_secret"]))
    load.start()
    wait_for("load", 60, lambda: all(load.acknowledged()))

    for number, (what, fault) in enumerate(FAILOVERS, 1):
        primary = wait_for("a primary", CLUSTER_SECONDS, cluster.leader)
        say(f"{number}. {what} ({primary})")
        began = time.monotonic()
        course = fault(cluster, primary)
        next(course)
        wait_for("another primary", CLUSTER_SECONDS, lambda old=primary: cluster.leader() not in (None, old))
        led = time.monotonic()
        next(course, None)
        healed = time.monotonic()
        for node in nodes:
            wait_for(f"{node.name} is ready again", NODES_SECONDS, node.is_ready)
        for node in nodes:
            wait_for(
                f"{node.name} takes changes again",
                NODES_SECONDS,
                lambda node=node: load.user(node, f"after-{number}-{time.monotonic()}") == 200,
            )
        served = time.monotonic()
        users, clients, _ = load.acknowledged()
        check(nodes, admin, users[-200:], clients)
        wait_for("a synchronous standby", CLUSTER_SECONDS, cluster.whole)
        say(
            f"   another primary after {led - began:.0f} s; both nodes serve {served - max(led, healed):.0f} s after the"
            f" fault was over; {len(users)} users and {len(clients)} clients acknowledged so far, all there"
        )
        assert all(node.process.poll() is None for node in nodes), "a node has ended"

    load.stop()
    users, clients, granted = load.acknowledged()
    check(nodes, admin, users, clients)
    say(f"all {len(users)} users and {len(clients)} clients that were acknowledged are on both nodes")

    def logged():
        events = every(nodes[0], admin, "/api/v1/logs?limit=1000&sortOrder=ASCENDING")
        return sum(event["eventType"] == "app.oauth2.as.token.grant.access_token" for event in events)

    wait_for("the System Log has every token", NODES_SECONDS, lambda: logged() >= granted)
    say(f"the System Log has all {granted} tokens that were granted")
    say(f"answers by kind of request and status: {dict(sorted(load.statuses.items()))}")
    odd = [key for key in load.statuses if key[1] not in (0, 200, 201, 503)]
    assert not odd, f"an outage is a 503: {odd}"
    for node in nodes:
        node.process.terminate()
        assert node.process.wait(60) == 0, f"{node.name} did not end well"


def main():
    # Whoever ends this run ends what it has started as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = tempfile.mkdtemp(prefix="tenterhook-failover-")
    os.chmod(folder, 0o755)
    cluster, passed = Cluster(folder), False
    try:
        run(cluster)
        passed = True
    finally:
        for process in cluster.processes.values():
            if process.args[0] == BINARY and process.poll() is None:
                process.kill()
        cluster.stop()
        if passed:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"what each program said is in {folder}")
    say("PASS")


if __name__ == "__main__":
    sys.exit(main())
