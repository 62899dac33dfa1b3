"""One drill: a machine of its own with the service of the document, and the blocks of a section,
typed and compared one after the other."""
import mmap
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
import document  # noqa: E402
from service import (OPERATOR, SECRET, TENANT, Api, Failure, binary, clients,  # noqa: E402
                     environment, eventually)

HERE = Path(__file__).parent
DEADLINE = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Drill:
    def __init__(self, blocks, command):
        self.blocks, self.next = blocks, 0
        self.root = Path(tempfile.mkdtemp(prefix="drill-"))
        self.port = free_port()
        self.mounted = False
        self.services = []
        self.faults = {}
        self.renamed = [
            ("/var/lib/credenza", str(self.root / "lib")),
            ("/var/log/credenza", str(self.root / "log")),
            ("/backups", str(self.root / "backups")),
            ("/mnt/new", str(self.root / "new")),
            ("/etc/credenza", str(self.root / "etc")),
            ("/run/credenza-secret", str(self.root / "secret")),
            ("/usr/local/bin/credenza", "credenza"),
            # An address that this machine does not have.
            ("10.0.0.5:8080", "0.0.0.0:0"),
            ("127.0.0.1:8080", "127.0.0.1:%d" % self.port),
            ("127.0.0.1:8443", "127.0.0.1:%d" % self.port),
        ]
        for name in ("lib", "log", "backups", "new", "bin", "etc"):
            (self.root / name).mkdir(mode=0o700)
        (self.root / "bin/credenza").symlink_to(Path(binary()).resolve())
        for name in ("journal", "status", "stdout"):
            (self.root / name).touch()
        (self.root / "command").write_text(
            self.here(command) + " --listen 127.0.0.1:%d\n" % self.port)
        self.environment = dict(self.plain_environment(), DRILL=str(self.root))
        self.write_environment()
        self.shell = None

    def here(self, text):
        for name, own in self.renamed:
            text = text.replace(name, own)
        return text

    def plain_environment(self):
        kept = {name: value for name, value in environment().items()
                if not name.startswith("CREDENZA_")}
        kept["PATH"] = "%s:%s:%s" % (HERE / "machine", self.root / "bin", kept["PATH"])
        return kept

    def write_environment(self):
        """Of the service alone."""
        variables = {"CREDENZA_BOOTSTRAP_TENANT_ID": TENANT,
                     "CREDENZA_BOOTSTRAP_CLIENT_ID": OPERATOR,
                     "CREDENZA_BOOTSTRAP_CLIENT_SECRET": SECRET, **self.faults}
        (self.root / "environment").write_text(
            "".join("export %s='%s'\n" % pair for pair in variables.items()))

    # The service.

    @property
    def data(self):
        return self.root / "lib/store"

    def systemctl(self, *arguments):
        subprocess.run([HERE / "machine/systemctl", *arguments], env=self.environment, check=True,
                       timeout=DEADLINE + 30)

    def start(self):
        self.systemctl("start", "credenza")

    def stop(self):
        self.systemctl("stop", "credenza")

    def status(self):
        """The exit status of the service; empty while it runs."""
        return (self.root / "status").read_text().strip()

    def journal(self):
        return (self.root / "journal").read_text()

    def api(self, client=OPERATOR, secret=SECRET):
        return Api(self.port).authenticate(client, secret)

    def fill(self, count=30):
        """Starts it, with clients, and takes the backup that a schedule takes first."""
        self.start()
        api = self.api()
        for number in range(count):
            api.call("POST", clients(), pump(number)).expect(201)
        taken = eventually(lambda: list((self.root / "backups").glob("credenza-*.backup")), DEADLINE)
        claim(taken, "no backup was taken: " + self.journal())
        # That one may have been taken before the clients were there.
        taken[0].unlink()
        self.credenza("backup", "--data", self.data, "--to", taken[0])

    def credenza(self, *arguments):
        """What it says; whether it succeeds is not asked."""
        done = subprocess.run(["credenza", *map(str, arguments)], env=self.environment, text=True,
                              capture_output=True, timeout=60)
        return done.stdout + done.stderr

    # The document.

    def block(self, *kinds):
        claim(self.next < len(self.blocks), "the document has no further block")
        block = self.blocks[self.next]
        claim(block.kind in kinds, "%s: a block of %s was expected" % (block.place, kinds))
        self.next += 1
        return block

    def type(self, status=0, shows=True):
        """Types the next commands, and compares what they show where the document shows it."""
        block = self.block("sh")
        failed, shown = self.run_block(self.here(block.text))
        claim(failed == bool(status), "%s: the commands %s:\n%s\n%s" % (
            block.place, "failed" if failed else "did not fail", shown, self.journal()[-2000:]))
        self.shown = shown
        if self.next < len(self.blocks) and self.blocks[self.next].kind == "text" and shows:
            self.compare(shown)
        return shown

    def compare(self, shown):
        block = self.block("text")
        claim(document.is_shown(self.here(block.text), shown),
              "%s: something else is shown:\n%s" % (block.place, shown))

    def log(self, journal=None):
        """The log has each line of the next block."""
        block = self.block("log")
        expected = self.here(block.text)
        read = journal or self.journal
        eventually(lambda: not document.missing_lines(expected, read()), DEADLINE)
        missing = document.missing_lines(expected, read())
        claim(not missing, "%s: the log does not have\n%s\nbut\n%s" % (
            block.place, "\n".join(missing), read()[-3000:]))

    def run_block(self, text):
        """In one shell for all blocks, as a person's. Gives whether a command failed."""
        if not self.shell:
            self.shell = subprocess.Popen(["bash"], env=self.environment, text=True, cwd=self.root,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        (self.root / "block").write_text(text)
        self.shell.stdin.write("broken=0; trap 'broken=1' ERR; eval \"$(cat block)\" > shown 2>&1; "
                               "trap - ERR; echo $broken\n")
        self.shell.stdin.flush()
        failed = self.shell.stdout.readline().strip()
        shown = (self.root / "shown").read_text()
        # As the next line of a terminal begins a new one.
        return failed != "0", shown + "\n" if shown and shown[-1] != "\n" else shown

    def serve(self):
        """Runs a block that ends with a service in the foreground, until that is ready; gives what
        it wrote to standard error and to standard output."""
        block = self.block("sh")
        out, err = self.root / "served.out", self.root / "served.err"
        with open(out, "w") as stdout, open(err, "w") as stderr:
            process = subprocess.Popen(["bash", "-ec", self.here(block.text)], cwd=self.root,
                                       env=self.environment, start_new_session=True,
                                       stdout=stdout, stderr=stderr)
        try:
            ready = eventually(lambda: "listening on " in err.read_text()
                               or process.poll() is not None, DEADLINE)
            claim(ready and process.poll() is None, "%s: it did not start: %s" % (
                block.place, err.read_text()))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(DEADLINE)
        # The shell may end before the service that it started.
        eventually(lambda: "another process" not in self.credenza("clock", "accept", "--data",
                                                                  self.data), DEADLINE)
        return err.read_text(), out.read_text()

    def end(self):
        claim(self.next == len(self.blocks),
              "no drill runs %s" % ", ".join(block.place for block in self.blocks[self.next:]))

    def clear(self):
        if self.shell:
            self.shell.stdin.close()
            self.shell.wait()
        pid = self.root / "pid"
        if pid.exists() and not self.status():
            try:
                os.kill(int(pid.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                pass
            eventually(self.status, DEADLINE)
        if self.mounted:
            subprocess.run(["umount", "-l", self.root / "lib"], capture_output=True)
        shutil.rmtree(self.root, ignore_errors=True)


class Switch:
    """Breaks the calls of a service on files below a directory: see tests/faults/inject.c."""
    building = threading.Lock()
    # Built once, for all drills.
    library = None

    def __init__(self, drill, below):
        with Switch.building:
            if not Switch.library:
                Switch.folder = tempfile.TemporaryDirectory(prefix="drills-")
                Switch.library = Switch.folder.name + "/inject.so"
                source = HERE.parent / "faults/inject.c"
                subprocess.run(["cc", "-O2", "-w", "-shared", "-fPIC", "-o", Switch.library, source,
                                "-ldl"], check=True)
        path = drill.root / "switch"
        path.write_bytes(b"\0")
        with open(path, "r+b") as file:
            self.byte = mmap.mmap(file.fileno(), 1)
        drill.faults = {"LD_PRELOAD": Switch.library, "FAULTS_DIR": str(below),
                        "FAULTS_SWITCH": str(path)}
        drill.write_environment()

    def set(self, letter):
        self.byte[0:1] = letter


def pump(number):
    return {"Id": "pump-%d" % number, "Tags": ["all"],
            "Name": "The name of pump number %d, long enough" % number}


def claim(holds, what):
    if not holds:
        raise Failure(what)


def places_of(data, text):
    """Where a text lies in sled's file of rows, the last one first; which one is read is known to
    sled alone."""
    [path] = data.glob("sled*/db")
    content, places = path.read_bytes(), []
    at = content.rfind(text)
    while at >= 0:
        places.append(at)
        at = content.rfind(text, 0, at)
    return places


def flip(data, *offsets):
    """Changes bytes, past the service; done twice, nothing is changed."""
    [path] = data.glob("sled*/db")
    with open(path, "r+b") as file:
        for offset in offsets:
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 0x10]))


def damage(drill, text, finding):
    """Damages the row with a text in the store of a stopped service, so that `check` finds this
    alone. Where the row does not lie in a page with others, the store is laid out anew."""
    for _ in range(8):
        whole = drill.root / "whole"
        shutil.copytree(drill.data, whole)
        for at in places_of(whole, text):
            # More than one byte, which would be put right.
            flip(drill.data, at + 3, at + 10)
            said = drill.credenza("check", "--data", drill.data).splitlines()
            said = [line for line in said if not line.startswith("[")]
            shutil.rmtree(drill.data)
            shutil.copytree(whole, drill.data)
            if len(said) == 2 and said[0].startswith(finding):
                flip(drill.data, at + 3, at + 10)
                return
        shutil.rmtree(whole)
        drill.credenza("compact", "--data", drill.data)
    raise Failure("no place of %s is one that gives: %s" % (text, finding))
