"""The release binary, run as people run it, and its API, for tests that are not cargo's."""
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
TENANT = "11111111-1111-4111-8111-111111111111"
OPERATOR = "operator"
SECRET = "crdz_a-secret-of-a-test-that-everybody-may-know"
# Tokens outlive a restart only if the issuer does, and by default that holds the port.
BASE = "http://credenza.test"
MEMBER = "7ad2b9ef-5386-4ead-ac9f-ad99c5c5b977"
ADMINISTRATOR = "2dc742ab-39ea-4fc0-a39e-2bcb71c26a5f"


def binary():
    """CREDENZA_BINARY, else the release build, which is made where it is missing."""
    given = os.environ.get("CREDENZA_BINARY")
    if given:
        return given
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return str(ROOT / "target/release/credenza")


def environment(**more):
    """Without the variables that would steer the program, with the first client of all tests."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("CREDENZA_") and name != "RUST_LOG"}
    return dict(kept, CREDENZA_BOOTSTRAP_TENANT_ID=TENANT, CREDENZA_BOOTSTRAP_CLIENT_ID=OPERATOR,
                CREDENZA_BOOTSTRAP_CLIENT_SECRET=SECRET, **more)


class Failure(Exception):
    """Something is not as it must be."""


class Service:
    """A running service; killed when it is left without having been stopped."""

    def __init__(self, program, data, wrapper=(), deadline=30, listen="127.0.0.1:0",
                 base=BASE, arguments=(), **variables):
        command = [*wrapper, program, "serve", "--listen", listen, "--issuer-base", base,
                   "--data", str(data), *map(str, arguments)]
        self.process = subprocess.Popen(command, env=environment(**variables), text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.lines, self.port, self.ended = [], None, False
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        with self.changed:
            self.changed.wait_for(lambda: self.port or self.ended, deadline)
        if not self.port:
            self.kill()
            raise Failure("it did not start%s: %s" % (
                "" if self.ended else " within %d s" % deadline, self.log().strip()))

    def read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line)
                if line.startswith("listening on "):
                    self.port = int(line.rsplit(":", 1)[1])
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def log(self):
        with self.changed:
            return "".join(self.lines)

    def is_running(self):
        return self.process.poll() is None

    def stop(self, deadline=60):
        """SIGTERM; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(deadline)
        self.reader.join()
        return status

    def kill(self):
        if self.is_running():
            self.process.kill()
        self.process.wait()
        self.reader.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def expect(self, *statuses):
        if self.status not in statuses:
            raise Failure("answered %d and not %s: %s" % (self.status, statuses, self.body[:500]))
        return self


class Api:
    """One connection, kept open, of one client of the service. For one thread."""

    def __init__(self, port, deadline=60):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=deadline)
        self.token = None

    def call(self, method, path, body=None, token=None):
        headers = {"Content-Type": "application/json"}
        if token or self.token:
            headers["Authorization"] = "Bearer " + (token or self.token)
        return self.send(method, path, headers, None if body is None else json.dumps(body))

    def send(self, method, path, headers, body):
        self.connection.request(method, path, body and body.encode(), headers)
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def ask_token(self, client, secret):
        form = urlencode({"grant_type": "client_credentials", "client_id": client,
                          "client_secret": secret})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", "/identity/connect/token", headers, form)

    def authenticate(self, client=OPERATOR, secret=SECRET):
        self.token = self.ask_token(client, secret).expect(200).json()["access_token"]
        return self


def tenant(of=TENANT):
    return "/api/v1/Tenants/" + of


def clients(of=TENANT):
    return tenant(of) + "/ClientCredentialClients"


def check(program, data):
    """`credenza check`; what it says where it does not agree, else nothing."""
    done = subprocess.run([program, "check", "--data", str(data)], env=environment(), text=True,
                          capture_output=True, timeout=120)
    said = done.stdout + done.stderr
    return "" if done.returncode == 0 and "panicked" not in said else "check: " + said


def eventually(condition, deadline, pause=0.05):
    """The first true value of a condition, asked again and again; its last where time runs out."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(pause)
