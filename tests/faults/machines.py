"""Machines that break: each has a place for the data, breaks, and is mended."""
import mmap
import os
import resource
import shutil
import subprocess
from pathlib import Path


class Machine:
    """One that never breaks: what all share."""

    # Of these the log must name one as the cause.
    causes = []
    # Whether the service can go on once it is mended, or a restart is needed in any case.
    heals = True
    # Whether it breaks while writes are under way, or between two of them.
    in_the_middle = True
    # Whether it can be broken once more when it was mended.
    again = True

    def __init__(self, folder):
        self.folder = folder
        self.variables = {}
        self.mounted = None
        # The process at hand.
        self.running = None

    def set_up(self):
        """Gives why it cannot be had here, if so."""

    @property
    def data(self):
        return (self.mounted or self.folder) / "store"

    def prepare(self, service):
        """To be done with each new process."""

    def break_down(self, service):
        """Nothing where it breaks by being used."""

    def mend(self, service):
        raise NotImplementedError

    def after_the_end(self):
        """To be done between the end of a process and the start of the next."""

    def mount(self, *arguments):
        """Mounts something for the data; gives whether that was allowed."""
        place = self.folder / "mounted"
        place.mkdir(exist_ok=True)
        if not run("mount", *arguments, place):
            return False
        self.mounted = place
        return True

    def clear(self):
        if self.mounted:
            run("umount", "-l", self.mounted)


def run(*command):
    """Whether it succeeded; what it says is of no interest where it may fail."""
    try:
        return subprocess.run(list(map(str, command)), capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


class FullDisk(Machine):
    name = "full disk"
    # What was full is not full again so soon.
    again = False
    causes = ["No space left on device"]

    def set_up(self):
        if not self.mount("-t", "tmpfs", "-o", "size=6m,mode=700", "none"):
            return "no tmpfs can be mounted here"

    def mend(self, service):
        assert run("mount", "-o", "remount,size=64m", self.mounted)


class FileLimit(Machine):
    """The limit of a file's size, set from outside: what `ulimit -f` sets at a start."""
    name = "limit of a file's size"
    causes = ["File too large"]

    def prepare(self, service):
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE,
                         (3 << 20, resource.RLIM_INFINITY))

    def mend(self, service):
        forever = resource.RLIM_INFINITY
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (forever, forever))


class Injected(Machine):
    """Calls fail that the service makes: see inject.c."""
    letter = b"\0"

    def set_up(self):
        if not shutil.which("cc"):
            return "there is no C compiler `cc`"
        library, switch = self.folder / "inject.so", self.folder / "switch"
        source = Path(__file__).parent / "inject.c"
        subprocess.run(["cc", "-O2", "-w", "-shared", "-fPIC", "-o", library, source, "-ldl"],
                       check=True)
        switch.write_bytes(b"\0")
        self.variables = {"LD_PRELOAD": str(library), "FAULTS_DIR": str(self.data),
                          "FAULTS_SWITCH": str(switch)}
        with open(switch, "r+b") as file:
            self.switch = mmap.mmap(file.fileno(), 1)

    def break_down(self, service):
        self.switch[0:1] = self.letter

    def mend(self, service):
        self.switch[0:1] = b"\0"


class ReadOnly(Injected):
    """A file system that is remounted read-only while files are open needs a broken disk: the
    kernel refuses it otherwise."""
    name = "read-only file system"
    letter = b"r"
    causes = ["Read-only file system"]


class NoSpace(Injected):
    """Where no file system can be mounted, and anywhere else the sudden kind."""
    name = "full disk (injected)"
    letter = b"n"
    causes = ["No space left on device"]


class FailedWrites(Injected):
    name = "writes fail"
    letter = b"w"
    causes = ["Input/output error"]


class FailedSyncs(Injected):
    name = "syncs fail"
    letter = b"s"
    causes = ["Input/output error"]


class FileSystemError(Machine):
    """ext4 finds itself damaged and goes read-only, as it is told by `errors=remount-ro`. Only
    unmounting ends that, so the service cannot go on without a restart.

    The error comes between two writes: one that comes while ext4 syncs a file can lose what was
    written although the kernel answers that it is on disk (Linux 6.18, a bare pwrite and fdatasync
    in a loop: 2 of 40). No program can see that."""
    name = "file system error"
    causes = ["Read-only file system", "Input/output error"]
    heals = False
    in_the_middle = False
    again = False

    def set_up(self):
        self.image = self.folder / "image"
        with open(self.image, "wb") as file:
            os.truncate(file.fileno(), 64 << 20)
        if not run("mkfs.ext4", "-q", self.image):
            return "there is no mkfs.ext4"
        if not self.mount("-o", "loop,errors=remount-ro", self.image):
            return "no image of a file system can be mounted here"
        if not self.trigger().exists():
            return "the kernel has no trigger for an error of ext4"

    def trigger(self):
        device = subprocess.run(["findmnt", "-n", "-o", "SOURCE", self.mounted], text=True,
                                capture_output=True).stdout.strip()
        return Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error"

    def break_down(self, service):
        self.trigger().write_text("a test of the service\n")

    def mend(self, service):
        """After the end of the process."""

    def after_the_end(self):
        assert run("umount", self.mounted)
        # 1 says that it mended something.
        subprocess.run(["e2fsck", "-y", self.image], capture_output=True)
        assert self.mount("-o", "loop,errors=remount-ro", self.image)


ALL = [FullDisk, FileLimit, ReadOnly, NoSpace, FailedWrites, FailedSyncs, FileSystemError]
