#!/usr/bin/env python3
"""A small messenger backend that rings its users' devices through Rivulet.

It keeps what is a messenger's own: users, their devices, and a push to each
device (here: an inbox that the device polls). Ringing is Rivulet's: a device
asks this backend, this backend asks Rivulet's REST interface, and what follows
comes back by webhook and goes into the inboxes of the devices it is for.

    device --HTTP--> messenger --REST-----> rivulet
       ^                 |                     |
       +---- inbox ------+ <---- webhooks -----+

    POST /login   {"user", "device"}          -> {"session", "url"}     (no password: an example)
    POST /call    {"users": [...], "call"}    -> {"call"}               ring; the id may be the device's
    POST /call/ID/VERB {...}                  ringing, accept, decline, busy, cancel,
                                              hold, resume, take, leave, ring {"users"}
    GET  /inbox?after=N                       -> {"events", "last"}     waits
    POST /token                               -> {"token"}              for Rivulet, as this device
    POST /hook                                Rivulet's webhooks
    GET  /                                    a page that rings and is rung

Everything that was acknowledged is in one SQLite file, so it may be killed at
any time. Standard library only. Environment: RIVULET_URL, RIVULET_KEY (id of
the key), RIVULET_SECRET (the key), WEBHOOK_SECRET, DATABASE, PORT (8090).

    KEY=$(rivulet token secret) HOOK=$(rivulet token secret)
    RIVULET_AUTH_KEYS=messenger:$KEY RIVULET_WEBHOOK_SECRET=$HOOK rivulet serve --set turn.enabled=false \
      --set webhook.url=http://127.0.0.1:8090/hook --set 'http.origins=127.0.0.1:*' &
    RIVULET_URL=http://127.0.0.1:8080 RIVULET_KEY=messenger RIVULET_SECRET=$KEY WEBHOOK_SECRET=$HOOK \
      python3 messenger.py        # open http://127.0.0.1:8090/ in two windows
"""

import json
import os
import secrets
import sqlite3
import sys
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import rivulet

SCHEMA = """
CREATE TABLE IF NOT EXISTS devices (user TEXT, device TEXT, session TEXT UNIQUE, PRIMARY KEY (user, device));
CREATE TABLE IF NOT EXISTS inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT, device TEXT, event TEXT);
CREATE TABLE IF NOT EXISTS place (name TEXT PRIMARY KEY, number INTEGER);
"""
VERBS = {"ringing", "accept", "decline", "busy", "cancel", "hold", "resume", "take", "leave", "ring", "end"}


class Messenger:
    def __init__(self, server, database, webhook_secret):
        self.server, self.webhook_secret = server, webhook_secret
        self.changed = threading.Condition()  # guards the database
        self.db = sqlite3.connect(database, check_same_thread=False)
        self.db.executescript(SCHEMA)

    def login(self, user, device):
        session = secrets.token_urlsafe(16)
        with self.changed, self.db:
            self.db.execute("INSERT OR REPLACE INTO devices VALUES (?, ?, ?)", (user, device, session))
        return {"session": session, "url": self.server.url}

    def token(self, who):
        """With it the device speaks with Rivulet itself: its calls, and their media."""
        return {"token": rivulet.token(self.server.key_id, self.server.secret, 300, sub=who["user"], name=who["user"],
                                       rivulet={"calls": True, "device": who["device"]})}

    def who(self, session):
        with self.changed:
            row = self.db.execute("SELECT user, device FROM devices WHERE session = ?", (session,)).fetchone()
        if row is None:
            raise PermissionError("log in first")
        return {"user": row[0], "device": row[1]}

    def targets(self, users):
        """The directory: which devices of a user to ring is the messenger's to know."""
        with self.changed:
            return [{"user": u, "devices": [d for (d,) in self.db.execute(
                "SELECT device FROM devices WHERE user = ? LIMIT 8", (u,))]} for u in users]

    def call(self, who, body):
        call = str(body.get("call") or secrets.token_hex(8))
        self.server.post("/v1/calls", {"call": call, "from": who, "targets": self.targets(body["users"]), "early": True,
                                       "lifetimeMs": body.get("lifetimeMs", 0)}, key="create-" + call)
        return {"call": call}

    def act(self, who, call, verb, body):
        command = {"from": who, "reason": body.get("reason", "")}
        if "users" in body:
            command["targets"] = self.targets(body["users"])
        self.server.post(f"/v1/calls/{call}/{verb}", command, key=body.get("key") or secrets.token_hex(8))
        return {}

    def hook(self, headers, raw):
        events = rivulet.webhook(self.webhook_secret, headers, raw)
        with self.changed, self.db:  # all of it, or nothing and it comes again
            row = self.db.execute("SELECT number FROM place WHERE name = 'feed'").fetchone()
            seen = row[0] if row else 0
            for event in events:
                if event["seq"] <= seen:
                    continue  # it was taken, and our answer lost
                seen = event["seq"]
                for device in event.pop("to", []):
                    if event["type"] != "call.gate":
                        self.db.execute("INSERT INTO inbox (user, device, event) VALUES (?, ?, ?)",
                                        (device["user"], device["device"], json.dumps(event)))
            self.db.execute("INSERT OR REPLACE INTO place VALUES ('feed', ?)", (seen,))
            self.changed.notify_all()
        return {}

    def inbox(self, who, after, wait=20):
        with self.changed:
            query = "SELECT id, event FROM inbox WHERE user = ? AND device = ? AND id > ? ORDER BY id LIMIT 100"
            values = (who["user"], who["device"], after)
            rows = self.db.execute(query, values).fetchall()
            while not rows and self.changed.wait(wait):
                rows = self.db.execute(query, values).fetchall()
        return {"events": [json.loads(e) for _, e in rows], "last": rows[-1][0] if rows else after}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    messenger = None

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > 1 << 20:
            self.close_connection = True
            return self.answer(413, {"detail": "too large"})
        self.serve(self.rfile.read(length))

    def serve(self, raw):
        m, url = self.messenger, urllib.parse.urlsplit(self.path)
        try:
            if url.path == "/hook":
                return self.answer(200, m.hook(self.headers, raw))
            if url.path in ("/", "/page.js") and self.command == "GET":
                return self.file("page.html" if url.path == "/" else "page.js")
            if url.path == "/sdk/rivulet.js":
                with urllib.request.urlopen(m.server.url + url.path, timeout=10) as sdk:
                    return self.bytes("text/javascript", sdk.read())
            body = json.loads(raw or b"{}")
            if url.path == "/login":
                return self.answer(200, m.login(body["user"], body["device"]))
            who = m.who(self.headers.get("Authorization", "").removeprefix("Bearer "))
            parts = url.path.strip("/").split("/")
            if url.path == "/inbox":
                after = urllib.parse.parse_qs(url.query).get("after", ["0"])[0]
                return self.answer(200, m.inbox(who, int(after)))
            if url.path == "/call":
                return self.answer(200, m.call(who, body))
            if url.path == "/token":
                return self.answer(200, m.token(who))
            if len(parts) == 3 and parts[0] == "call" and parts[2] in VERBS:
                return self.answer(200, m.act(who, urllib.parse.quote(parts[1]), parts[2], body))
            self.answer(404, {"detail": "there is nothing here"})
        except rivulet.Refused as problem:
            self.answer(problem.status, {"code": problem.code, "reason": problem.reason, "detail": str(problem)})
        except PermissionError as error:
            self.answer(401, {"detail": str(error)})
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, {"detail": f"bad request: {error}"})
        except OSError as error:
            self.answer(502, {"detail": f"the call server cannot be reached: {error}"})

    def file(self, name):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), "rb") as f:
            data = f.read()
        self.bytes("text/html; charset=utf-8" if name.endswith("html") else "text/javascript", data)

    def bytes(self, kind, data):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main():
    env = os.environ
    missing = [name for name in ("RIVULET_URL", "RIVULET_KEY", "RIVULET_SECRET", "WEBHOOK_SECRET") if not env.get(name)]
    if missing:
        sys.exit(f"messenger: {', '.join(missing)} must be set; the beginning of this file shows a start")
    server = rivulet.Server(env["RIVULET_URL"], env["RIVULET_KEY"], env["RIVULET_SECRET"])
    Handler.messenger = Messenger(server, env.get("DATABASE", "messenger.db"), env["WEBHOOK_SECRET"])
    http = ThreadingHTTPServer(("127.0.0.1", int(env.get("PORT", "8090"))), Handler)
    http.daemon_threads = True
    print(f"messenger: http://127.0.0.1:{http.server_port}/", file=sys.stderr, flush=True)
    http.serve_forever()


if __name__ == "__main__":
    main()
