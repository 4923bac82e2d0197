#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The patch series: what the other scripts share.

`series` is a quilt series. A line `# commits/NAME.msg` in it stands for a commit
that only adds files: NAME.msg holds its subject and body and, after a line
`---`, the files, one per line. They lie in the repository at the path where
they land in the kernel tree and are called overlay files.
"""

import os
import re
import shutil
import subprocess

REPO = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
OVERLAY = ("Documentation", "arch", "include", "kernel", "samples", "tools")


class Bad(Exception):
    """Something the user has to mend: a message of one line."""


def need(*tools):
    """Are these programs there?"""
    for tool in tools:
        if not shutil.which(tool):
            raise Bad(f"{tool} is missing; run: make deps")


class Patch:
    """A change to existing files: patches/NAME, a git mail."""

    def __init__(self, name):
        self.name = name
        self.path = os.path.join(REPO, "patches", name)
        with open(self.path) as f:
            self.text = f.read()
        head = re.split(r"^(?=--- \S|diff --git |Index: )", self.text, 1, re.M)[0]
        self.sender, self.date, self.subject, self.body = parse_mail(head)
        self.files, self.creates, self.changes = parse_diff(self.text[len(head):])


class Commit:
    """A commit that adds overlay files: commits/NAME.msg."""

    def __init__(self, name):
        self.name = name
        with open(os.path.join(REPO, name)) as f:
            head, _, files = f.read().partition("\n---\n")
        self.sender, self.date, self.subject, self.body = parse_mail(head)
        self.files = [line for line in files.splitlines() if line.strip()]


def parse_mail(text):
    """(From, Date, subject, body) of a git mail; the diffstat is left out."""
    head, _, body = text.lstrip("\n").partition("\n\n")
    fields = {}
    for line in re.sub(r"\n[ \t]+", " ", head).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields[name.lower()] = value.strip()
    body = re.split(r"^---$", body, 1, re.M)[0].strip("\n")
    subject = re.sub(r"^\[[^]]*\]\s*", "", fields.get("subject", ""))
    sender = fields.get("from", "")
    if not sender:
        signed = re.search(r"^Signed-off-by: (.*)$", body, re.M)
        sender = signed[1] if signed else ""
    return sender, fields.get("date", ""), subject, body


def parse_diff(text):
    """(changed files, created or deleted files, number of changed lines) of a patch."""
    files, odd, changes = [], [], 0
    old = None
    left = right = 0
    for line in text.splitlines():
        if left > 0 or right > 0:
            if line.startswith("-"):
                left, changes = left - 1, changes + 1
            elif line.startswith("+"):
                right, changes = right - 1, changes + 1
            elif not line.startswith("\\"):
                left, right = left - 1, right - 1
            continue
        if line.startswith("--- "):
            old = line[4:].split("\t")[0].strip()
        elif line.startswith("+++ "):
            new = line[4:].split("\t")[0].strip()
            name = (old if new == "/dev/null" else new).partition("/")[2]
            files.append(name)
            if "/dev/null" in (old, new):
                odd.append(name)
        elif hunk := re.match(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line):
            left, right = (int(n) if n else 1 for n in hunk.groups())
        elif line.startswith(("rename from ", "copy from ", "GIT binary patch", "new mode ")):
            odd.append(line)
    return files, odd, changes


def read_series():
    """The series as a list of Commit and Patch."""
    steps = []
    try:
        with open(os.path.join(REPO, "series")) as f:
            lines = f.read().splitlines()
    except FileNotFoundError:
        raise Bad("no file series in the repository") from None
    for line in lines:
        try:
            if named := re.match(r"# (commits/\S+\.msg)$", line):
                steps.append(Commit(named[1]))
            elif line.strip() and not line.startswith("#"):
                steps.append(Patch(line.split()[0]))
        except FileNotFoundError as e:
            raise Bad(f"series names {os.path.relpath(e.filename, REPO)}, "
                      "which does not exist") from None
    return steps


def overlay_files():
    """All files of the repository that land in the kernel tree."""
    if os.path.exists(os.path.join(REPO, ".git")):
        need("git")
        done = subprocess.run(
            ["git", "-C", REPO, "ls-files", "-z", "-co", "--exclude-standard", "--", *OVERLAY],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Bad(f"git ls-files failed: {' / '.join(done.stderr.strip().splitlines())}")
        names = [n for n in done.stdout.split("\0") if n]
    else:
        names = [os.path.relpath(os.path.join(folder, name), REPO)
                 for top in OVERLAY
                 for folder, _, files in os.walk(os.path.join(REPO, top))
                 for name in files]
    return sorted(n for n in set(names) if os.path.lexists(os.path.join(REPO, n)))


def apply_patches(base, scratch, steps):
    """Apply the patches with quilt to copies in scratch of the files they touch; their names."""
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    patches = [s for s in steps if isinstance(s, Patch)]
    for patch in patches:
        for name in patch.files:
            have, copy = os.path.join(base, name), os.path.join(scratch, name)
            if not os.path.exists(have):
                raise Bad(f"patches/{patch.name} touches {name}, which is not in the base")
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            if not os.path.exists(copy):
                shutil.copy2(have, copy)
    if patches:
        need("quilt", "patch")
        env = dict(os.environ, QUILT_PATCHES=os.path.join(REPO, "patches"),
                   QUILT_SERIES=os.path.join(REPO, "series"))
        done = subprocess.run(["quilt", "--quiltrc", "-", "push", "-a", "--fuzz=0"],
                              cwd=scratch, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            last = " / ".join(done.stdout.strip().splitlines()[-4:])
            raise Bad(f"a patch does not apply with fuzz 0: {last}")
    return sorted({name for p in patches for name in p.files})
