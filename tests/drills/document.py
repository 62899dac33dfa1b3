"""The documents: their blocks, section by section, and what was shown compared with them."""
import re
from pathlib import Path

KINDS = ("sh", "text", "log", "ini")
# What stands for itself in a comparison; every other number may differ.
STATUSES = {"200", "201", "204", "207", "401", "404", "500", "503"}


class Block:
    def __init__(self, page, line, kind):
        self.page, self.line, self.kind, self.text = page, line, kind, ""

    @property
    def place(self):
        return "%s:%d" % (self.page.name, self.line)


def sections(page):
    """The blocks of each section, by its heading."""
    found, heading, block = {}, None, None
    for number, line in enumerate(Path(page).read_text().splitlines(), 1):
        if block:
            if line.startswith("```"):
                block = None
            else:
                block.text += line + "\n"
        elif line.startswith("```"):
            kind = line[3:]
            block = Block(page, number, kind)
            if kind == "json":
                continue
            assert kind in KINDS, "%s: a block must say what it is: %s" % (block.place, KINDS)
            found.setdefault(heading, []).append(block)
        elif line.startswith("## "):
            heading = line[3:]
    return found


def rows(page, heading):
    """The first cells of the table in a section, as (number of the line, text)."""
    inside, found = False, []
    for number, line in enumerate(Path(page).read_text().splitlines(), 1):
        if line.startswith("## "):
            inside = line[3:] == heading
        elif inside and line.startswith("| `"):
            found.append((number, line.split(" | ")[0][2:]))
    return found


def row_patterns(cell):
    """Of each thing between backticks; DIR, FILE and the like, N and M stand for anything."""
    return [words_pattern(words) for words in re.findall(r"`([^`]*)`", cell)]


def words_pattern(words):
    parts = re.split(r"(\b(?:DIR|FILE|ADDR|[NMR])\b|…)", words)
    holes = ("DIR", "FILE", "ADDR", "N", "M", "R")
    return re.compile("".join(r"\S+" if part in holes else ".*" if part == "…"
                              else re.escape(part) for part in parts))


def normalised(text):
    """Without what differs from run to run."""
    text = re.sub(r"(?m)^\[\S+ \w+ +\S+\] ", "", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"crdz_[A-Za-z0-9_-]{49}", "SECRET", text)
    text = re.sub(r"(?<![\w-])[\w-]{43}(?![\w-])", "KID", text)
    text = re.sub(r"\bdb-\d+", "db-N", text)
    return re.sub(r"(?<![\w/.:-])\d+(\.\d+)?",
                  lambda found: found[0] if found[0] in STATUSES else "N", text)


def pattern(expected):
    """`…` stands for anything in a line; alone, for any lines."""
    lines = []
    for line in normalised(expected).splitlines():
        if line == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(map(re.escape, line.split("…"))) + r"\n")
    return re.compile("".join(lines))


def is_shown(expected, shown):
    return pattern(expected).fullmatch(normalised(shown)) is not None


def missing_lines(expected, log):
    """The lines of a block that a log does not have."""
    lines = [line + "\n" for line in normalised(log).splitlines()]
    return [line for line in expected.splitlines()
            if not any(pattern(line).fullmatch(own) for own in lines)]
