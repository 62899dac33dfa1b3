"""A large export file, made of nothing: the fastest way to fill a store that goes through its rules."""
import base64
import hashlib
import json
import zlib

TAKEN = "2026-01-01T00:00:00Z"
# Name, type; one of each in every tenant.
BUILT_IN = [("Tenant Contributor", "f1439595-e5a2-487f-8a4f-0627fefe75df"),
            ("Tenant Administrator", "2dc742ab-39ea-4fc0-a39e-2bcb71c26a5f"),
            ("Tenant Member", "7ad2b9ef-5386-4ead-ac9f-ad99c5c5b977"),
            ("Tenant Viewer", "e6cbf91e-0be8-4858-92b5-f88ecafd5574"),
            ("Tenant Data Steward", "45b66433-5f57-420b-bbdf-8bbd60c1cd9d")]
MEMBER = 2


class Lines:
    """Each line is JSON with a CRC-32 over its number and its content; SHA-256 covers them all."""

    def __init__(self, file):
        self.file, self.number, self.digest = file, 0, hashlib.sha256()

    def add(self, value):
        self.number += 1
        content = json.dumps(value, separators=(",", ":")).encode()[:-1]
        total = zlib.crc32(content, zlib.crc32(self.number.to_bytes(8, "big")))
        line = b'%s,"sum":"%08x"}\n' % (content, total)
        self.file.write(line)
        self.digest.update(line)

    def end(self):
        self.add({"end": {"lines": self.number, "sha256": self.digest.hexdigest()}})


def tenant(number):
    return "22222222-2222-4222-8222-%012x" % number


def client(number):
    return "client-%07d" % number


def role(of_tenant, kind):
    return "33333333-3333-4333-8333-%06x%06x" % (of_tenant, kind)


def encoded(size, *words):
    """Bytes that stand for a salt or a hash, which nobody knows the secret of."""
    digest = hashlib.sha256(repr(words).encode()).digest()[:size]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def write(path, tenants, clients, description=None):
    """Tenants with so many clients each. A client has two tags, one role and one secret, which has
    the description."""
    with open(path, "wb") as file:
        lines = Lines(file)
        lines.add({"credenza": "export", "format": 1, "needs": "0.1.0", "store": tenant(0),
                   "epoch": "00000001", "taken": TAKEN, "keys": False})
        for number in range(tenants):
            lines.add({"tenant": {"id": tenant(number), "company_name": "Tenant %d" % number,
                                  "alias": None, "created": TAKEN, "last_updated": TAKEN,
                                  "changed": 1, "revision": 1}})
            for kind, (name, built_in) in enumerate(BUILT_IN):
                lines.add({"role": {"id": role(number, kind), "name": name, "description": None,
                                    "built_in": built_in}})
            for place in range(clients):
                secret = {"id": 1, "hash": encoded(32, number, place), "description": description,
                          "expiration": None}
                lines.add({"client": {
                    "id": client(place), "name": "Client %d of %d" % (place, number),
                    "enabled": True, "access_token_lifetime": 3600,
                    "tags": ["site:%d" % (place % 50), "kind:%d" % (place % 7)],
                    "role_ids": [role(number, MEMBER)], "created": 1, "changed": 1,
                    "salt": encoded(16, place, number), "last_secret_id": 1, "secrets": [secret]}})
            lines.add({"end_of_tenant": {"roles": len(BUILT_IN), "clients": clients}})
        lines.end()
