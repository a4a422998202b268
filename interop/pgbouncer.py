"""A node behind pgbouncer: it serves with `pool_mode = session`, and says why it does not with `transaction`. The
configuration is that of docs/postgresql.md, with other addresses and folders."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

BINARY = os.environ["TENTERHOOK_BINARY"]
SERVER = urllib.parse.urlsplit(os.environ["TENTERHOOK_TEST_POSTGRES"])
DOCS = os.path.join(os.path.dirname(__file__), "..", "docs", "postgresql.md")
ADDRESS, PORT = "127.0.0.41", 6432
SECONDS = 60


def configuration(folder, mode):
    """The page's block, for our server."""
    text = open(DOCS, encoding="utf-8").read()
    block = re.search(r"^```ini\n(; /etc/pgbouncer/pgbouncer.ini\n.*?)^```$", text, re.M | re.S).group(1)
    replacements = {
        "host=10.0.0.11 port=5432": f"host={SERVER.hostname} port={SERVER.port} user={SERVER.username} dbname=postgres",
        "listen_addr = 127.0.0.1": f"listen_addr = {ADDRESS}",
        "auth_type = scram-sha-256": "auth_type = any",
        "auth_file = /etc/pgbouncer/userlist.txt": "",
        "pool_mode = session": f"pool_mode = {mode}",
    }
    for old, new in replacements.items():
        assert old in block, f"the page has no `{old}`"
        block = block.replace(old, new)
    path = os.path.join(folder, f"{mode}.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write(block + "unix_socket_dir =\n")
    return path


def pgbouncer(folder, mode):
    account = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    pooler = subprocess.Popen([*account, "pgbouncer", "-q", configuration(folder, mode)])
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection((ADDRESS, PORT), 1).close()
            return pooler
        except OSError:
            time.sleep(0.1)
    raise AssertionError("pgbouncer does not listen")


def serve(folder, key):
    environment = {
        **os.environ,
        "TENTERHOOK_SERVER__LISTEN": "127.0.0.1:0",
        "TENTERHOOK_STORE__DATABASE": f"postgres://tenterhook:x@{ADDRESS}:{PORT}/tenterhook",
        "TENTERHOOK_KEYS__MASTER_KEY_FILE": key,
    }
    config = os.path.join(folder, "tenterhook.toml")
    open(config, "a", encoding="utf-8").close()
    command = [BINARY, "serve", "--config", config]
    node = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = []
    for line in node.stdout:
        said.append(line)
        if line.startswith("listening on "):
            node.send_signal(signal.SIGTERM)
    return node.wait(SECONDS), "".join(said)


def main():
    folder = tempfile.mkdtemp(prefix="tenterhook-pgbouncer-")
    os.chmod(folder, 0o755)
    key = os.path.join(folder, "master.key")
    try:
        subprocess.run([BINARY, "keys", "generate", "--out", key], check=True, stdout=subprocess.DEVNULL)
        for mode in ("session", "transaction"):
            pooler = pgbouncer(folder, mode)
            try:
                status, said = serve(folder, key)
            finally:
                pooler.terminate()
                pooler.wait(SECONDS)
            if mode == "session":
                assert status == 0 and "listening on" in said, f"{status}: {said}"
            else:
                assert status != 0 and "pool_mode = session" in said, f"{status}: {said}"
                assert "listening on" not in said, said
            print(f"pool_mode = {mode}: {'served' if status == 0 else 'refused'}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("PASS")


if __name__ == "__main__":
    sys.exit(main())
