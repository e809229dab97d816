"""What a backend in Python needs to speak with Rivulet: tokens, requests, webhooks.

Standard library only. Nothing here knows of the messenger beside it: copy it.
"""

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key_id, secret, ttl=3600, **claims):
    """A JSON Web Token (RFC 7519) under HS256.

    rivulet={"backend": True}                    acts for everybody
    sub="ann", rivulet={"calls": True, "device": "phone"}   ann's phone may ring and be rung
    """
    head = _b64(json.dumps({"alg": "HS256", "kid": key_id}).encode())
    body = _b64(json.dumps({**claims, "exp": int(time.time()) + ttl}).encode())
    mac = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{_b64(mac.digest())}"


class Refused(Exception):
    """A problem of RFC 9457: code is for programs, str() for people."""

    def __init__(self, status, problem):
        super().__init__(problem.get("detail", ""))
        self.status = status
        self.code = problem.get("code", "internal")
        self.reason = problem.get("reason", "")
        self.retry_after = problem.get("retryAfterMs", 1000) / 1000


class Server:
    """Rivulet's REST interface, as /v1/openapi.json describes it."""

    def __init__(self, url, key_id, secret, patience=30):
        self.url, self.key_id, self.secret, self.patience = url, key_id, secret, patience

    def post(self, path, body, key):
        """Carries out one command. key makes it safe to repeat, so it is
        repeated while the server cannot be reached, with the same key."""
        until = time.monotonic() + self.patience
        while True:
            try:
                return self._request("POST", path, json.dumps(body).encode(), key)
            except Refused as problem:
                if problem.status not in (429, 503) or time.monotonic() > until:
                    raise
                time.sleep(min(problem.retry_after, 5))
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def get(self, path):
        return self._request("GET", path, None, "")

    def _request(self, method, path, body, key):
        request = urllib.request.Request(self.url + path, body, method=method)
        bearer = token(self.key_id, self.secret, 60, rivulet={"backend": True})
        request.add_header("Authorization", "Bearer " + bearer)
        request.add_header("Content-Type", "application/json")
        if key:
            request.add_header("Idempotency-Key", key)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.loads(error.read() or b"{}")) from None


WINDOW = 300  # seconds


def webhook(secret, headers, body):
    """The events of a webhook, or ValueError for one that is forged or stale.

    Who replays a webhook within the window brings numbers that were seen
    before: keep the number of the last event beside what it has changed.
    """
    stamp = headers.get("Rivulet-Timestamp", "")
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    want = "v1=" + mac.hexdigest()
    given = [s.strip() for s in headers.get("Rivulet-Signature", "").split(",")]
    if not any(hmac.compare_digest(want, s) for s in given):
        raise ValueError("the signature is wrong")
    if abs(time.time() - int(stamp)) > WINDOW:
        raise ValueError("the timestamp is out of the window")
    return json.loads(body)["events"]
