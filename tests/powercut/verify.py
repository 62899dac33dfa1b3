"""What must be there after a power cut: everything that was acknowledged, in force, and what was
asked for and not acknowledged wholly or not at all."""
import json
from http.client import HTTPException
from subprocess import TimeoutExpired

from service import (MEMBER, OPERATOR, SECRET, TENANT, Api, Failure, Service, check, clients,
                     tenant)
from workload import DOOMED

# The answers to a secret that is not good: a service may slow down who tries many of them.
REFUSED = (401, 429)


class Promised:
    """What the markers before a cut promise."""

    def __init__(self, lines):
        self.clients = {}    # (tenant, client) -> its state
        self.touched = set()  # of all that was ever acknowledged
        self.dead = {}       # (tenant, client) -> values that must not work any more
        self.demoted = set()  # clients that lost a role
        self.open = {}       # worker -> the change that it waits for
        self.tenants = {TENANT}
        self.gone = set()    # tenants
        self.keys = {}       # number of a key -> a token of it
        self.key_asked = 1
        for line in lines:
            word, _, rest = line.partition(" ")
            self.take(word, json.loads(rest))

    def take(self, word, what):
        if word == "token":
            self.keys[what["key"]] = what["token"]
        elif word == "ask-key":
            self.key_asked = what["key"]
        elif word == "ask":
            self.open[what["worker"]] = what
        else:
            asked = self.open.pop(what["worker"])
            assert (asked["word"], asked["number"]) == (word, what["number"]), (asked, what)
            self.done(asked, what["secret"])

    def done(self, asked, secret=None):
        """Takes a change for done, because it was acknowledged or because it was found."""
        word, of = asked["word"], asked["tenant"]
        if word == "tenant-made":
            self.tenants.add(of)
        elif word == "tenant-gone":
            self.tenants.discard(of)
            self.gone.add(of)
            for place in [place for place in self.clients if place[0] == of]:
                self.replace(place, None)
        else:
            place = (of, asked["client"])
            after = asked["after"]
            if after and secret:
                after["secrets"][max(after["secrets"], key=int)] = secret
            if word == "role-removed":
                self.demoted.add(place)
            self.replace(place, after)

    def replace(self, place, after):
        def values(state):
            return {value for value in (state or {"secrets": {}})["secrets"].values() if value}
        before = self.clients.pop(place, None)
        # A value that came with an answer is not in the states of later questions.
        for number, value in (before or {"secrets": {}})["secrets"].items():
            if after and number in after["secrets"] and not after["secrets"][number]:
                after["secrets"][number] = value
        self.dead.setdefault(place, set()).update(values(before) - values(after))
        self.touched.add(place)
        if after:
            self.clients[place] = after


def shown(state):
    return state and {"name": state["name"], "tags": state["tags"], "enabled": state["enabled"],
                      "roles": state["roles"], "secrets": sorted(map(int, state["secrets"]))}


class Found:
    """What a service shows."""

    def __init__(self, api):
        self.api = api

    def clients(self, of):
        """All clients of a tenant; None where there is no such tenant."""
        answer = self.api.call("GET", clients(of) + "?count=1000000").expect(200, 404)
        if answer.status == 404:
            return None
        listed = answer.json()
        if int(answer.headers["Total-Count"]) != len(listed):
            raise Failure("%s clients are counted, %d listed" % (
                answer.headers["Total-Count"], len(listed)))
        return {one["Id"]: one for one in listed}

    def client(self, of, one):
        answer = self.api.call("GET", "%s/%s/Secrets" % (clients(of), one["Id"])).expect(200)
        return {"name": one["Name"], "tags": one["Tags"], "enabled": one["Enabled"],
                "roles": sorted(one["RoleIds"]),
                "secrets": sorted(secret["Id"] for secret in answer.json())}


def losses(program, image, lines, data):
    """Everything that is wrong with an image: opens it, compares, stops it, runs `check`."""
    wrong = []
    try:
        with Service(program, image / data) as service:
            compare(Promised(lines), service.port, wrong)
            status = service.stop()
            said = service.log()
            if status:
                wrong.append("a clean stop gave %d" % status)
            if "panicked" in said or " ERROR " in said:
                wrong.append("it said: " + said.strip())
        wrong.append(check(program, image / data))
    except (Failure, OSError, HTTPException, TimeoutExpired) as error:
        wrong.append(str(error) or repr(error))
    return [text for text in wrong if text]


def compare(promised, port, wrong):
    """Adds what is wrong to the list."""
    api = Api(port).authenticate()
    compare_keys(promised, Api(port), wrong)
    found = Found(api)
    listed = {}
    for of in sorted({TENANT, DOOMED}):
        listed[of] = found.clients(of)
        if listed[of] is not None:
            listed[of] = {client: found.client(of, one) for client, one in listed[of].items()}
    settle(promised, listed, wrong)
    for of in promised.gone:
        if listed[of] is not None:
            wrong.append("the deleted tenant %s is there" % of)
    for of in promised.tenants:
        if listed[of] is None:
            wrong.append("the tenant %s is not there" % of)
    for of, present in listed.items():
        expected = {client for owner, client in promised.clients if owner == of}
        if of == TENANT:
            expected.add(OPERATOR)
        for client in sorted(expected ^ set(present or {})):
            wrong.append("%s %s there" % (client, "is not" if client in expected else "is"))
        for client in sorted(expected & set(present or {}) - {OPERATOR}):
            state = shown(promised.clients[of, client])
            if present[client] != state:
                wrong.append("%s is %s, and was promised as %s" % (client, present[client], state))
    compare_secrets(promised, api, wrong)


def compare_keys(promised, api, wrong):
    """A token of the key in force is taken, one of a key that was replaced is not."""
    for key, token in promised.keys.items():
        status = api.call("GET", tenant(), token=token).status
        expected = (200,) if key == promised.key_asked else (401,)
        if key < promised.key_asked and promised.key_asked not in promised.keys:
            expected = (200, 401)
        if status not in expected:
            wrong.append("a token of key %d of %d: %d" % (key, promised.key_asked, status))


def settle(promised, listed, wrong):
    """Finds out how each change ended that was in flight: there is no third way."""
    for asked in promised.open.values():
        of, client = asked["tenant"], asked["client"]
        if asked["word"] in ("tenant-made", "tenant-gone"):
            if (listed[of] is not None) == (asked["word"] == "tenant-made"):
                promised.done(asked)
            continue
        before = promised.clients.get((of, client))
        present = (listed[of] or {}).get(client)
        if present == shown(asked["after"]):
            promised.done(asked)
        elif present != shown(before):
            wrong.append("%s in flight: %s is %s, neither %s nor %s" % (
                asked["word"], client, present, shown(before), shown(asked["after"])))


def compare_secrets(promised, api, wrong):
    for place in sorted(promised.touched):
        of, client = place
        state = promised.clients.get(place)
        for number, value in (state or {"secrets": {}})["secrets"].items():
            if not value:
                continue
            answer = api.ask_token(client, value)
            expected = (200,) if state["enabled"] else REFUSED
            if answer.status not in expected:
                wrong.append("secret %s of %s: %d, and enabled is %s" % (
                    number, client, answer.status, state["enabled"]))
            elif answer.status == 200 and place in promised.demoted:
                compare_rights(api, place, state, answer.json()["access_token"], wrong)
        for value in sorted(promised.dead.get(place, ())):
            status = api.ask_token(client, value).status
            if status not in REFUSED:
                wrong.append("a removed secret of %s: %d" % (client, status))


def compare_rights(api, place, state, token, wrong):
    """Only an administrator sees the secrets of somebody else."""
    of, client = place
    roles = api.call("GET", "%s/%s/Roles" % (clients(of), client)).expect(200).json()
    kinds = {role["RoleTypeId"] for role in roles}
    administrator = len(kinds - {None, MEMBER}) > 0
    status = api.call("GET", "%s/%s/Secrets" % (clients(of), OPERATOR), token=token).status
    if status != (200 if administrator else 403):
        wrong.append("%s has the roles %s and got %d" % (client, state["roles"], status))
