"""A recording of a service, and the images of what a power cut could have left of it. The work is
done by the recorder in the folder that CREDENZA_POWERCUT names; see its README."""
import os
import shutil
import subprocess
from pathlib import Path

from service import ROOT, Failure, Service, environment

RECORDER = Path(os.environ.get("CREDENZA_POWERCUT") or ROOT.parent / "shared/powercut")
# The data directory in what is recorded: its creation is a part of it, that of one above it too.
DATA = "lib/credenza"
# A library that is asked before the recorder is, and that makes every sync do nothing.
NO_SYNC = """
int fsync(int file) { (void)file; return 0; }
int fdatasync(int file) { (void)file; return 0; }
void sync(void) {}
int syncfs(int file) { (void)file; return 0; }
"""


def why_not():
    """Why nothing can be recorded here, if so."""
    if not (RECORDER / "powercut").exists():
        return "there is no recorder in %s (CREDENZA_POWERCUT names its folder)" % RECORDER
    if not shutil.which("cc"):
        return "there is no C compiler `cc` to compile the recorder with"
    return None


def compile_library(source, library):
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-fvisibility=%s" % (
        "hidden" if source.parent == RECORDER else "default"), "-o", str(library), str(source),
        "-ldl", "-lpthread"], check=True)


class Recording:
    """What the runs of a service did, in one log."""

    def __init__(self, folder, program, with_sync=True):
        self.folder, self.program = folder, program
        self.root, self.log, self.marks = folder / "recorded", folder / "log", folder / "log.mark"
        self.root.mkdir(parents=True)
        # The recorder takes what is there at the start for durable: nothing is.
        (folder / "log.base").mkdir()
        libraries = [folder / "record.so"]
        compile_library(RECORDER / "record.c", libraries[0])
        if not with_sync:
            (folder / "nosync.c").write_text(NO_SYNC)
            libraries.insert(0, folder / "nosync.so")
            compile_library(folder / "nosync.c", libraries[0])
        self.variables = {
            "POWERCUT_DIR": str(self.root), "POWERCUT_LOG": str(self.log),
            "POWERCUT_MARK": str(self.marks), "LD_PRELOAD": ":".join(map(str, libraries)),
        }

    def start(self):
        return Service(self.program, self.root / DATA, **self.variables)

    def remove_key(self):
        """Removes the signing key as a person would, and makes that durable."""
        key = self.root / DATA / "signing-key.pem"
        for command in (["rm", str(key)], ["sync", str(key.parent)]):
            subprocess.run(command, env=environment(**self.variables), check=True)

    def check(self):
        """The recorder must have seen everything."""
        done = subprocess.run([RECORDER / "powercut", "check", self.log, self.root], text=True,
                              capture_output=True)
        if done.returncode or not done.stdout.rstrip().endswith(" 0 differ"):
            raise Failure("the recording is incomplete: " + done.stdout + done.stderr)

    def images(self, into, count, seed, *options):
        """Makes images in a new folder; gives them with the files of their markers, in the order
        of their cuts."""
        done = subprocess.run([RECORDER / "powercut", "images", self.log, "--out", into,
                               "--cuts", str(count), "--seed", str(seed), *options],
                              text=True, capture_output=True)
        if done.returncode:
            raise Failure("no images: " + done.stdout + done.stderr)
        names = ["%04d" % number for number in range(count)]
        return [(into / name, into / (name + ".markers")) for name in names]
