#!/usr/bin/env python3
"""Rings one user's devices from another's over NATS, and says what happens.

    ring.py nats://127.0.0.1:4222 ann/phone bob/phone,tablet

NATS is a text protocol over a socket, so this needs no library: INFO, CONNECT,
SUB, PUB and MSG are all there is to it. Commands are requests on
rivulet.v1.call.<id>.cmd; events are read from the stream RIVULET_EVENTS by a
consumer, which a backend that was away would begin where it had stopped.

bob's first device answers, talks for a second, and ann hangs up. It ends with
status 0 when every event has come, each once and in order. NATS_TOKEN is the
token to connect with.
"""

import json
import os
import secrets
import socket
import sys
import time
import urllib.parse


class Bus:
    """As much of a NATS client as is needed."""

    def __init__(self, url, token):
        at = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((at.hostname, at.port or 4222), timeout=20)
        self.file = self.socket.makefile("rb")
        self.inbox = "_INBOX." + secrets.token_hex(8)
        self.serial, self.events = 0, []
        assert self.file.readline().startswith(b"INFO ")
        options = {"verbose": False, "pedantic": False, "lang": "python", "version": "1", "headers": True, "no_responders": True}
        if token:
            options["auth_token"] = token
        self.write(b"CONNECT " + json.dumps(options).encode() + b"\r\nSUB " + self.inbox.encode() + b".* 1\r\nPING\r\n")

    def write(self, data):
        self.socket.sendall(data)

    def read(self):
        """The next message: its subject, its headers as they are, its bytes."""
        while True:
            line = self.file.readline()
            if not line:
                raise ConnectionError("the bus has closed the connection")
            words = line.split()
            if words[0] == b"PING":
                self.write(b"PONG\r\n")
            elif words[0] == b"-ERR":
                raise ConnectionError(line.decode().strip())
            elif words[0] in (b"MSG", b"HMSG"):
                head = int(words[-2]) if words[0] == b"HMSG" else 0
                data = self.file.read(int(words[-1]) + 2)[:-2]
                return words[1].decode(), data[:head], data[head:]

    def request(self, subject, body, patience=10):
        """One request. While nobody listens it is repeated, as it may be: its id stays."""
        until = time.monotonic() + patience
        while True:
            self.serial += 1
            reply = f"{self.inbox}.{self.serial}"
            data = json.dumps(body).encode() if body is not None else b""
            self.write(f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + b"\r\n")
            while True:
                at, head, answer = self.read()
                if at == reply:
                    break
                self.events.append((head, answer))
            if not (b" 503" in head and time.monotonic() < until):
                return json.loads(answer)
            time.sleep(0.1)

    def follow(self, stream):
        """A consumer that begins at the stream's beginning; a backend's would be
        durable, and go on where it was."""
        config = {"deliver_policy": "all", "ack_policy": "none", "inactive_threshold": 60_000_000_000}
        answer = self.request(f"$JS.API.CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config})
        if "error" in answer:
            raise RuntimeError(answer["error"]["description"])
        self.pull = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{answer['name']}"
        self.ask_for_more()

    def ask_for_more(self):
        data = json.dumps({"batch": 100, "expires": 10_000_000_000}).encode()
        self.write(f"PUB {self.pull} {self.inbox}.events {len(data)}\r\n".encode() + data + b"\r\n")

    def next(self):
        """The next event of the stream."""
        while True:
            head, data = self.events.pop(0) if self.events else self.read()[1:]
            if data:
                return json.loads(data)
            if b" 40" in head.split(b"\r\n")[0]:  # this request has come to its end
                self.ask_for_more()


def main():
    url, caller, callee = sys.argv[1:4]
    bus = Bus(url, os.environ.get("NATS_TOKEN", ""))
    user, device = caller.split("/")
    other, devices = callee.split("/")
    call = secrets.token_hex(8)

    def command(verb, who=None, **fields):
        body = {"type": "call." + verb, "id": secrets.token_hex(8), **fields}
        if who:
            body["from"] = {"user": who[0], "device": who[1]}
        reply = bus.request(f"rivulet.v1.call.{call}.cmd", body)
        if reply["type"] == "error":
            raise RuntimeError(f"call.{verb}: {reply['code']}: {reply['message']}")
        return reply

    ann, bob = (user, device), (other, devices.split(",")[0])
    command("create", ann, targets=[{"user": other, "devices": devices.split(",")}])
    command("ringing", bob)
    command("accept", bob)
    bus.follow("RIVULET_EVENTS")
    time.sleep(1)
    command("leave", ann)
    number = 0
    while True:
        event = bus.next()
        if event.get("call") != call:
            continue
        if event["number"] != number + 1:
            raise RuntimeError(f"event {event['number']} follows {number}")
        number = event["number"]
        print(number, event["type"], event.get("user", ""), event.get("reason", ""), flush=True)
        if event["type"] == "call.ended":
            print("duration", event["summary"]["durationMs"], "ms")
            return


if __name__ == "__main__":
    main()
