"""What is done to a service while the recorder looks on, and the markers that say what of it was
acknowledged.

A marker is a line: `ask`, then the change in JSON, before it is asked for; and the word of the
change (`made`, `gone`, `off`, ...), once its answer came. The state that a client has after the
change is in the first of them, so a reader needs nothing but the markers.
"""
import json
import os
import random
import threading

from service import ADMINISTRATOR, MEMBER, OPERATOR, SECRET, TENANT, Api, clients, tenant

WORKERS = 6
DOOMED = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"


class Markers:
    """Appends each line with one write, so that it has its place in the recorder's order."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def write(self, word, /, **what):
        os.write(self.file, ("%s %s\n" % (word, json.dumps(what))).encode())


class Worker:
    """Changes clients that nobody else touches, one after the other."""

    def __init__(self, number, seed, markers, roles, of):
        self.number, self.markers, self.roles, self.tenant = number, markers, roles, of
        self.dice = random.Random("%d/%d" % (seed, number))
        self.asked, self.clients, self.gone, self.api = 0, {}, [], None

    def begin(self, port):
        self.api = Api(port).authenticate()

    def change(self, word, client, after, method, path, body=None, status=200):
        """Asks for one change and takes it for done once it was answered."""
        self.asked += 1
        place = {"worker": self.number, "number": self.asked}
        self.markers.write("ask", word=word, tenant=self.tenant, client=client, after=after, **place)
        answer = self.api.call(method, path, body).expect(status)
        secret = answer.json()["Secret"] if status == 201 and client else None
        self.markers.write(word, secret=secret, **place)
        if client is None:
            return
        if secret:
            after["secrets"][max(after["secrets"], key=int)] = secret
        if after is None:
            del self.clients[client]
            self.gone.append(client)
        else:
            self.clients[client] = after

    def create(self):
        again = self.gone and self.dice.random() < 0.3
        client = self.gone.pop() if again else "client-%d-%d" % (self.number, self.asked)
        name = "version %d" % self.asked
        roles = self.dice.choice(self.roles)
        after = {"name": name, "tags": ["all", name], "enabled": True, "roles": sorted(roles),
                 "secrets": {"1": None}}
        body = {"Id": client, "Name": name, "Tags": after["tags"], "RoleIds": roles}
        self.change("made", client, after, "POST", clients(self.tenant), body, 201)

    def step(self):
        """One change, drawn by lot."""
        if len(self.clients) < 4 or self.dice.random() < 0.35:
            return self.create()
        client = self.dice.choice(sorted(self.clients))
        path = "%s/%s" % (clients(self.tenant), client)
        after = json.loads(json.dumps(self.clients[client]))
        secrets = after["secrets"]
        kind = self.dice.choice(["secret", "secret", "secret-deleted", "secret-deleted", "enabled",
                                 "roles", "gone", "renamed"])
        if kind == "secret" and len(secrets) < 10:
            number = str(max(map(int, secrets)) + 1)
            secrets[number] = None
            body = {"Expires": False, "Description": "of a test"}
            self.change("secret-made", client, after, "POST", path + "/Secrets", body, 201)
        elif kind == "secret-deleted" and len(secrets) > 1:
            # Never the newest: the next number is then known.
            oldest = min(secrets, key=int)
            del secrets[oldest]
            self.change(kind, client, after, "DELETE", path + "/Secrets/" + oldest, None, 204)
        elif kind == "enabled":
            after["enabled"] = not after["enabled"]
            word = "on" if after["enabled"] else "off"
            self.change(word, client, after, "PUT", path, {"Enabled": after["enabled"]})
        elif kind == "roles":
            roles = self.dice.choice([some for some in self.roles if sorted(some) != after["roles"]])
            word = "role-removed" if set(after["roles"]) - set(roles) else "role-given"
            after["roles"] = sorted(roles)
            self.change(word, client, after, "PUT", path, {"RoleIds": roles})
        elif kind == "gone":
            self.change(kind, client, None, "DELETE", path, None, 204)
        else:
            after["name"] = "version %d" % self.asked
            after["tags"] = ["all", after["name"]]
            self.change("renamed", client, after, "PUT", path,
                        {"Name": after["name"], "Tags": after["tags"]})


def together(works):
    """Runs all of them at once; the first error of one of them is raised."""
    errors = []

    def run(work):
        try:
            work()
        except BaseException as error:  # raised below, in the thread that waits
            errors.append(error)
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def roles_of(api):
    def of_type(kind):
        return api.call("GET", tenant() + "/Roles?roleTypeId=" + kind).expect(200).json()[0]["Id"]
    return of_type(MEMBER), of_type(ADMINISTRATOR)


def hand_out_token(port, markers, key):
    """A token that was given away must be good as long as its key is: it goes into the markers."""
    token = Api(port).ask_token(OPERATOR, SECRET).expect(200).json()["access_token"]
    markers.write("token", key=key, token=token)


def stopped(service):
    status = service.stop()
    assert status == 0, "a clean stop gave %d: %s" % (status, service.log())


def first_start(start, marks, seed):
    """A first start, a few clients, and a second start."""
    with start() as service:
        markers = Markers(marks)
        hand_out_token(service.port, markers, 1)
        member, administrator = roles_of(Api(service.port).authenticate())
        worker = Worker(0, seed, markers, [[member], [member, administrator]], TENANT)
        worker.begin(service.port)
        for _ in range(4):
            worker.create()
        stopped(service)
    with start() as service:
        worker.begin(service.port)
        for _ in range(6):
            worker.step()
        stopped(service)


def key_change(start, marks, seed, remove_key):
    """A store with a new signing key: a stop, the removal of the old one, a start."""
    with start() as service:
        markers = Markers(marks)
        hand_out_token(service.port, markers, 1)
        member, administrator = roles_of(Api(service.port).authenticate())
        worker = Worker(0, seed, markers, [[member], [member, administrator]], TENANT)
        worker.begin(service.port)
        worker.create()
        stopped(service)
    markers.write("ask-key", key=2)
    remove_key()
    with start() as service:
        hand_out_token(service.port, markers, 2)
        worker.begin(service.port)
        for _ in range(4):
            worker.step()
        stopped(service)


def load(start, marks, seed, steps=120, doomed=450):
    """All kinds of changes by several callers at once, the deletion of a tenant, a restart."""
    with start() as service:
        markers = Markers(marks)
        hand_out_token(service.port, markers, 1)
        operator = Api(service.port).authenticate()
        member, administrator = roles_of(operator)
        body = {"Name": "Writer", "Description": "a role of a test"}
        writer = operator.call("POST", tenant() + "/Roles", body).expect(201).json()["Id"]
        roles = [[member], [member, writer], [member, administrator], [member, writer, administrator]]
        workers = [Worker(number, seed, markers, roles, TENANT) for number in range(WORKERS)]
        lord = Worker(WORKERS, seed, markers, None, DOOMED)
        lord.begin(service.port)
        body = {"Id": DOOMED, "CompanyName": "Doomed"}
        lord.change("tenant-made", None, None, "POST", "/api/v1/Tenants", body, 201)
        listed = operator.call("GET", tenant(DOOMED) + "/Roles?roleTypeId=" + MEMBER).expect(200)
        own = [[listed.json()[0]["Id"]]]
        fillers = [Worker(WORKERS + 1 + number, seed, markers, own, DOOMED) for number in range(3)]
        for worker in workers + fillers:
            worker.begin(service.port)

        def fill(worker):
            for _ in range(doomed // len(fillers)):
                worker.create()

        def mix(worker):
            for _ in range(steps):
                worker.step()
        together([lambda w=w: mix(w) for w in workers] + [lambda w=w: fill(w) for w in fillers])
        stopped(service)
    with start() as service:
        for worker in workers + [lord]:
            worker.begin(service.port)
        together([lambda w=w: mix(w) for w in workers] + [
            lambda: lord.change("tenant-gone", None, None, "DELETE", tenant(DOOMED), None, 204)])
        stopped(service)
