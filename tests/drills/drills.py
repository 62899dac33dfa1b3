"""The situation of each section, and how it goes on. Each function runs the blocks of one section,
in their order."""
import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import document
from machine import DEADLINE, Switch, claim, damage, flip, places_of, pump
from service import OPERATOR, TENANT, clients, eventually

DOCS = Path(__file__).resolve().parents[2] / "docs"
OPERATING, DRILLS = DOCS / "operating.md", DOCS / "drills.md"
ALL = {}
NOBODY = 1000
AGAIN = "cannot be opened anew yet"


def drill(page, heading):
    def keep(function):
        ALL[page, heading] = function
        return function
    return keep


def write_until_refused(drill, reason):
    api = drill.api()
    for number in range(20_000):
        answer = api.call("POST", clients(), {"Id": "more-%d" % number, "Tags": ["x" * 100]})
        if answer.status != 201:
            break
    reason = "Writes are not accepted: %s." % reason
    claim(answer.expect(503).json()["Reason"] == reason, answer.body)
    api.call("GET", clients()).expect(200)
    # What shows it needs no token.
    eventually(lambda: api.call("GET", "/health/ready").status == 503, DEADLINE)


def wait_until_ready(drill):
    api = drill.api()
    claim(eventually(lambda: api.call("GET", "/health/ready").status == 200, DEADLINE),
          drill.journal())


# operating.md


@drill(OPERATING, "Start")
def start(drill):
    err, out = drill.serve()
    claim("Credenza is set up." in out and "client secret  crdz_" in out, out)
    drill.log(lambda: err)
    drill.serve()
    unit = drill.block("ini").text
    # What the drills start is this command.
    drill.start()
    claim("ExecStart=" in unit and drill.status() == "", drill.journal())
    drill.stop()
    claim(drill.status() == "0", drill.journal())


@drill(OPERATING, "TLS")
def tls(drill):
    drill.type()
    command = drill.here(drill.blocks[drill.next].text)
    err, out = drill.serve()
    claim("listening on https://" in err and "https://id.example.com/" in out, err + out)
    (drill.root / "command").write_text(command)
    drill.start()
    drill.type()
    drill.type()
    drill.log()
    # Another one signed itself.
    drill.type()
    key = drill.root / "etc/tls-key.pem"
    key.write_text("no key")
    refused = "TLS: the certificate of before stays, since --tls-key %s holds no private key" % key
    claim(eventually(lambda: refused in drill.journal(), DEADLINE), drill.journal())


@drill(OPERATING, "Unattended first start")
def unattended(drill):
    err, out = drill.serve()
    claim("crdz_" not in out and "with tenant" in out, out)


@drill(OPERATING, "Health")
def health(drill):
    drill.start()
    drill.type()


@drill(OPERATING, "Stop")
def stop(drill):
    drill.start()
    drill.type()
    drill.log()
    claim(drill.status() == "0", drill.journal())


@drill(OPERATING, "Check")
def check(drill):
    drill.fill()
    drill.type()


@drill(OPERATING, "Back up")
def back_up(drill):
    drill.fill()
    claim("credenza-" in drill.type(), drill.shown)
    drill.type()
    drill.stop()
    claim("Restored 1 tenant, 31 clients" in drill.type(), drill.shown)


@drill(OPERATING, "Signing keys")
def signing_keys(drill):
    drill.start()
    drill.stop()
    # The next key was made long ago.
    path = drill.data / "keys.json"
    content = json.loads(path.read_text())
    content["next"]["since"] = "2020-01-01T00:00:00Z"
    path.write_text(json.dumps(content))
    drill.start()
    before = drill.api()
    drill.type()
    before.call("GET", clients()).expect(200)
    unit = drill.block("ini").text
    claim("--signing-key" in unit, unit)


@drill(OPERATING, "Export and import")
def export_and_import(drill):
    drill.fill()
    claim("31 clients" in drill.type(), drill.shown)
    other = drill.root / "lib/store-2"
    again = "22222222-2222-4222-8222-222222222222"
    served = subprocess.Popen(["credenza", "serve", "--data", other, "--listen", "127.0.0.1:0"],
                              env=dict(drill.environment, CREDENZA_BOOTSTRAP_TENANT_ID=again),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = iter(served.stderr.readline, "")
    claim(any(line.startswith("listening on") for line in lines), "no second store")
    served.terminate()
    served.wait()
    claim("31 clients" in drill.type(), drill.shown)


# drills.md


@drill(DRILLS, "Disk full")
def disk_full(drill):
    lib = drill.root / "lib"
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "none", lib]
    drill.mounted = subprocess.run(mount, capture_output=True).returncode == 0
    switch = None if drill.mounted else Switch(drill, lib)
    drill.fill()
    filler = lib / "filler"
    if switch:
        switch.set(b"n")
    else:
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass
    write_until_refused(drill, "storage not writable")
    drill.type()
    drill.log()
    drill.type()
    switch.set(b"\0") if switch else filler.unlink()
    drill.log()
    drill.type()


@drill(DRILLS, "Read-only or failing disk")
def failing_disk(drill):
    switch = Switch(drill, drill.root / "lib")
    # Each try to open the store anew is a line.
    drill.faults["RUST_LOG"] = "info,credenza::service::writer=debug"
    drill.write_environment()
    drill.fill()
    switch.set(b"r")
    write_until_refused(drill, "storage not writable")
    claim(eventually(lambda: "Read-only file system" in drill.journal(), DEADLINE), drill.journal())
    switch.set(b"\0")
    wait_until_ready(drill)
    switch.set(b"w")
    write_until_refused(drill, "storage not writable")
    drill.log()
    drill.type()
    drill.type()
    claim(drill.status() == "1", "a stop on a broken disk gave %s" % drill.status())
    switch.set(b"\0")
    old = drill.root / "old"
    shutil.copytree(drill.data / "sled", old)
    drill.type()
    # Now the disk comes back as it was some time ago.
    drill.api().call("POST", clients(), pump(50)).expect(201)
    switch.set(b"w")
    write_until_refused(drill, "storage not writable")
    shutil.rmtree(drill.data / "sled")
    shutil.copytree(old, drill.data / "sled")
    switch.set(b"\0")
    drill.log()
    tries = drill.journal().count(AGAIN)
    claim(eventually(lambda: drill.journal().count(AGAIN) > tries + 1, DEADLINE),
          "it is not tried again: " + drill.journal())
    told = drill.journal().count("cannot be opened anew; ")
    claim(told == 1, "it was told %d times" % told)
    drill.api().call("GET", clients() + "/pump-50").expect(200)


@drill(DRILLS, "The store does not answer")
def not_answering(drill):
    switch = Switch(drill, drill.root / "lib")
    drill.fill()
    switch.set(b"h")
    answers = []
    api = drill.api()
    under_way = threading.Thread(target=lambda: answers.append(
        api.call("POST", clients(), {"Id": "under-way"})))
    under_way.start()
    other = drill.api()
    claim(eventually(lambda: other.call("GET", "/health/ready").status == 503, DEADLINE),
          drill.journal())
    write_until_refused(drill, "storage not answering")
    drill.type()
    drill.log()
    switch.set(b"\0")
    under_way.join()
    answers[0].expect(201)
    drill.log()
    wait_until_ready(drill)
    drill.type()


@drill(DRILLS, "Power cut")
def power_cut(drill):
    drill.fill()
    drill.type()
    claim(drill.status() == "137" and "stopping" not in drill.journal(), drill.journal())
    drill.type()


@drill(DRILLS, "A damaged client")
def damaged_client(drill):
    drill.fill()
    drill.stop()
    damage(drill, b"pump number 9, long", "client pump-9 of ")
    drill.start()
    api = drill.api()
    listed = api.call("GET", clients()).expect(207).json()
    claim(len(listed["Data"]) == 30 and listed["ChildErrors"][0]["ModelId"] == "pump-9", listed)
    answer = api.call("GET", clients() + "/pump-9").expect(500).json()
    claim(answer["Error"] == "Stored data is damaged.", answer)
    drill.log()
    claim("cannot be read" in drill.credenza("backup", "--data", drill.data, "--to",
                                             drill.root / "none"), "a backup did not fail")
    drill.type(status=1)
    drill.type()
    drill.api().call("GET", clients() + "/pump-9").expect(200)


@drill(DRILLS, "A damaged secret")
def damaged_secret(drill):
    drill.fill()
    api = drill.api()
    secrets = clients() + "/pump-1/Secrets"
    # Long enough that the client's secrets are rows of their own.
    text = "A secret with a description that is long" + ", and longer" * 80
    body = {"Description": text, "Expires": False}
    secret = api.call("POST", secrets, body).expect(201).json()["Secret"]
    # So many that sled keeps them in pages: in a page of rows each says for itself whether it is whole.
    for number in range(10, 25):
        other = {"Description": "Another" + ", and longer" * 80, "Expires": False}
        api.call("POST", clients() + "/pump-%d/Secrets" % number, other).expect(201)
    drill.stop()
    damage(drill, b"a description that is long", "secret 2 of client pump-1 of ")
    drill.start()
    api = drill.api()
    api.ask_token("pump-1", secret).expect(401)
    api.call("GET", secrets + "/2").expect(500)
    api.call("GET", secrets).expect(207)
    drill.type(status=1)
    drill.run_block("TOKEN=%s\n" % api.token)
    drill.type()


@drill(DRILLS, "Damage that was mended")
def mended(drill):
    drill.fill()
    drill.stop()
    flip(drill.data, places_of(drill.data, b"pump number 9, long")[0])
    drill.start()
    drill.log()
    for place in places_of(drill.data, b"pump number 9, long"):
        # Nobody has asked for the tenant since the start, so its rows are read from here on.
        drill.stop()
        drill.start()
        flip(drill.data, place)
        drill.api().call("GET", clients()).expect(200)
        if (drill.data / "mended").is_dir():
            break
        flip(drill.data, place)
    drill.log()
    claim((drill.data / "mended").is_dir(), "nothing was kept")
    drill.type()
    claim(not (drill.data / "mended").exists(), "it is still there")


def refused_stores(drill):
    """A line for each way in which a store is refused; the store is then as it was."""
    drill.fill(2)
    drill.stop()
    whole = drill.root / "whole"
    shutil.copytree(drill.data, whole)
    drill.start()
    drill.api().call("POST", clients(), pump(50)).expect(201)
    drill.stop()
    later = drill.root / "later"
    shutil.copytree(drill.data, later)
    lines = []

    def attempt(damage, of=whole):
        shutil.rmtree(drill.data)
        shutil.copytree(of, drill.data)
        damage(drill.data)
        before = len(drill.journal())
        drill.start()
        said = drill.journal()[before:].splitlines()[-1]
        claim(drill.status() == "1" and said.startswith("credenza: "), said)
        helps = "credenza restore --from BACKUP --data EMPTY_DIR" in said
        claim(helps or "use Credenza" in said, "it names no command: " + said)
        lines.append(said)

    def marker(**members):
        def change(data):
            path = data / "marker"
            path.write_text(json.dumps({**json.loads(path.read_text()), **members}))
        return change

    def old_files(data):
        shutil.rmtree(data / "sled")
        shutil.copytree(whole / "sled", data / "sled")

    def old_after_a_kill(data):
        old_files(data)
        marker(sealed=None)(data)

    attempt(lambda data: (data / "marker").write_text('{"format'))
    attempt(marker(store_id=TENANT))
    attempt(lambda data: shutil.rmtree(data / "sled"))
    attempt(lambda data: (data / "sled/db").write_bytes(b""))
    attempt(old_files, later)
    attempt(old_after_a_kill, later)
    attempt(marker(format_version=2, needs="0.9.0"))
    attempt(lambda data: (data / "marker").unlink())
    return lines


def compare_rows(page, heading, lines):
    """Each row of a table is one of these lines, and each line has a row."""
    rows = [(number, pattern) for number, cell in document.rows(page, heading)
            for pattern in document.row_patterns(cell)]
    for number, pattern in rows:
        claim(any(pattern.search(line) for line in lines),
              "%s:%d: no start says %s" % (page.name, number, pattern.pattern))
    for line in lines:
        claim(any(pattern.search(line) for _, pattern in rows), "no row has: " + line)


@drill(DRILLS, "The store is refused")
def store_refused(drill):
    compare_rows(DRILLS, "The store is refused", refused_stores(drill))
    drill.log()
    drill.type()


@drill(OPERATING, "Errors at start")
def errors_at_start(drill):
    lines = []
    data = drill.data
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        attempt(drill, lines, "--listen", "127.0.0.1:%d" % taken.getsockname()[1])
    attempt(drill, lines, "--listen", "192.0.2.1:8080")
    attempt(drill, lines, "--listen", "0.0.0.0:0", "--behind-tls-proxy")
    attempt_tls(drill, lines)
    attempt(drill, lines, "--dev", "--listen", "0.0.0.0:0", "--behind-tls-proxy", "--issuer-base",
            "http://id.example.com")
    attempt(drill, lines, "--audit-log", drill.root / "none/audit.jsonl")
    attempt(drill, lines, "--audit-log", "/dev/full")
    attempt(drill, lines, "--backup-dir", "/proc/none")
    attempt(drill, lines, CREDENZA_BOOTSTRAP_CLIENT_SECRET="short")
    attempt(drill, lines, CREDENZA_BOOTSTRAP_TENANT_ID="none")
    attempt(drill, lines, CREDENZA_BOOTSTRAP_CLIENT_SECRET_FILE=str(drill.root / "none"))
    attempt(drill, lines, CREDENZA_BOOTSTRAP_CLIENT_SECRET="x" * 32,
            CREDENZA_BOOTSTRAP_CLIENT_SECRET_FILE=str(drill.root / "none"))
    drill.start()
    attempt(drill, lines)
    attempt(drill, lines, "--data", drill.root / "other", "--audit-log",
            drill.root / "log/audit.jsonl")
    drill.stop()
    half = drill.root / "half"
    half.mkdir(mode=0o700)
    (half / "restoring").touch()
    attempt(drill, lines, "--data", half)
    data.chmod(0o755)
    attempt(drill, lines)
    data.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
        attempt(drill, lines)
        os.chown(data, 0, 0)
    else:
        lines.append("the data directory %s belongs to user 0" % data)
    link = drill.root / "link"
    link.symlink_to(data)
    attempt(drill, lines, "--data", link)
    key = data / "signing-key.pem"
    key.chmod(0o640)
    attempt(drill, lines)
    key.chmod(0o600)
    key.write_text("no key")
    attempt(drill, lines)
    attempt(drill, lines, "--signing-key", key)
    compare_rows(OPERATING, "Errors at start", lines)


def attempt_tls(drill, lines):
    def pair(name):
        made = [drill.root / ("%s-%s.pem" % (name, kind)) for kind in ("cert", "key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x",
                        "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
        made[1].chmod(0o600)
        return made
    cert, key = pair("first")
    _, other = pair("second")
    none, text, cut = (drill.root / name for name in ("none", "text", "cut"))
    text.write_text("text")
    cut.write_text(cert.read_text()[:100])
    text.chmod(0o600)
    cut.chmod(0o600)
    cut_key = drill.root / "cut-key"
    cut_key.write_text(key.read_text()[:100])
    cut_key.chmod(0o600)
    for given in ((none, key), (cert, none), (text, key), (cut, key), (cert, text), (cert, cut_key),
                  (cert, other)):
        attempt(drill, lines, "--tls-cert", given[0], "--tls-key", given[1])
    attempt(drill, lines, "--tls-cert", cert)
    attempt(drill, lines, "--tls-key", key)
    attempt(drill, lines, "--tls-cert", cert, "--tls-key", key, "--issuer-base", "http://x")
    key.chmod(0o644)
    attempt(drill, lines, "--tls-cert", cert, "--tls-key", key)


def attempt(drill, lines, *arguments, **variables):
    """A start that is refused, with one line that says why."""
    command = ["credenza", "serve"]
    if "--data" not in arguments and "--dev" not in arguments:
        command += ["--data", drill.data]
    if "--listen" not in arguments:
        command += ["--listen", "127.0.0.1:0"]
    done = subprocess.run([*map(str, command), *map(str, arguments)], text=True,
                          capture_output=True, timeout=DEADLINE,
                          env=dict(drill.environment, **variables))
    line = done.stderr.splitlines()[-1]
    claim(done.returncode == 1 and line.startswith("credenza: "), line)
    lines.append(line)


@drill(DRILLS, "Restore a backup")
def restore(drill):
    drill.fill()
    api = drill.api()
    api.call("PUT", clients() + "/pump-1", {"Enabled": False}).expect(200)
    api.call("DELETE", clients() + "/pump-2").expect(204)
    drill.type()
    drill.type()
    drill.type()
    api = drill.api()
    claim(not api.call("GET", clients() + "/pump-1").expect(200).json()["Enabled"], "pump-1 is back")
    api.call("GET", clients() + "/pump-2").expect(404)


@drill(DRILLS, "Every operator is locked out")
def locked_out(drill):
    drill.fill()
    shown = drill.type()
    word = lambda label: shown.split(label)[1].split()[0]  # noqa: E731
    api = drill.api(word("client id"), word("client secret"))
    found = api.call("GET", clients() + "/" + word("client id")).expect(200).json()
    claim(found["Name"] == "Recovered operator" and len(found["RoleIds"]) == 3, found)
    api.call("POST", "%s/%s/Secrets" % (clients(), OPERATOR), {"Expires": False}).expect(201)
    claim(word("client id") in (drill.root / "log/audit.jsonl").read_text(), "it is not recorded")


@drill(DRILLS, "The clock is wrong")
def clock(drill):
    drill.fill()
    drill.stop()
    path = drill.data / "clock"
    content = json.loads(path.read_text())
    content["mark"] = "%d%s" % (int(content["mark"][:4]) + 10, content["mark"][4:])
    path.write_text(json.dumps(content))
    drill.start()
    drill.log()
    before = len(drill.journal())
    drill.type()
    claim("the machine's clock" not in drill.journal()[before:], drill.journal())


@drill(DRILLS, "The audit log cannot be written")
def audit_log(drill):
    switch = Switch(drill, drill.root / "log")
    drill.fill()
    switch.set(b"n")
    write_until_refused(drill, "audit log not writable")
    drill.type()
    drill.log()
    drill.type()
    switch.set(b"\0")
    drill.log()
    wait_until_ready(drill)
    drill.type()


@drill(DRILLS, "Space")
def space(drill):
    drill.fill()
    drill.type()
    drill.type()
    claim((drill.data / "sled-1").is_dir(), "it is in another place")
    drill.api().call("GET", clients() + "/pump-9").expect(200)


@drill(DRILLS, "Another machine")
def another_machine(drill):
    drill.fill()
    drill.type()
    drill.type()
    drill.type()


@drill(DRILLS, "The signing key")
def signing_key(drill):
    drill.fill()
    old = drill.api()
    for _ in range(2):
        drill.type()
        drill.log()
        drill.api().call("GET", clients()).expect(200)
        fresh = drill.api()
        fresh.call("GET", clients(), token=old.token).expect(401)
        old = fresh
