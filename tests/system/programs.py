#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs that people write files with: what the server then holds, how many versions and requests
that took, and whether the program says so when it fails. One row of ROWS is one program; the matrix is
printed. Each runs on a new field, on one that is there, and on the last one of its secret. A local store
has no requests and no outages: there it is the versions and what is held."""

import base64
import os
import shutil
import subprocess
from dataclasses import dataclass

from harness import main, test
from proxy import Proxy

# New, existing, last. Programs that unlink first make one version more: without the last field
# nothing is left to write, and the removal is a deletion of the version that was there.
ONE = (1, 1, 1)
UNLINKS = (1, 2, 1)
NONE = (0, 0, 0)
GONE = (None, 1, 0)


@dataclass(frozen=True)
class Row:
    """`script` is bash's: $F is the field, $D its secret, $O another one with a field `g`, $W a folder
    outside with `new`. `value` is what a new field holds then, `over` one that held "old\\n"."""
    name: str
    script: str
    value: object = "new\n"
    over: object = None
    versions: tuple = ONE
    cases: str = "new existing last"
    fails: str = ""        # what it says when it must fail
    unseen: str = ""       # "down:CASE" or "ro:CASE" where it cannot see the failure, and why below
    takes: str = ""        # a field of $D or $O that is gone afterwards
    adds: str = ""         # a field that is there beside it
    needs: str = ""


BEGIN = lambda text: text.startswith(b"-----BEGIN ")
DER = lambda text: text[:2] == b"\x30\x82"
VI = "vim" if shutil.which("vim") else "vim.tiny"
VIM = ('{1} -N -u NONE -i NONE -es -c "set backupskip= {0}" -c "%s/^\\(old\\)\\?$/new/" '
       '-c wq "$F"')
PYTHON = ("python3 -c 'import os, sys, shutil, tempfile; F, D, W = sys.argv[1:]; {0}' "
          '"$F" "$D" "$W"')
EMACS = ("emacs -Q -batch \"$F\" --eval '(progn {0} (erase-buffer) (insert \"new\\n\") "
         "(save-buffer))'")
EXISTING = "existing last"

ROWS = [
    Row("echo >", 'echo new > "$F"'),
    Row("echo > (dash)", 'dash -c \'echo new > "$F"\'', needs="dash"),
    Row("echo >>", 'echo new >> "$F"', over="old\nnew\n"),
    Row(": >", ': > "$F"', "", versions=(0, 1, 1)),
    Row("{ echo; echo; } >", '{ /bin/echo a; /bin/echo b; } > "$F"', "a\nb\n"),
    Row("(cat; cat) >", '(cat "$W/a"; cat "$W/b") > "$F"', "a\nb\n"),
    Row("here-document", 'cat > "$F" <<END\nnew\nEND'),
    Row("tee", 'echo new | tee "$F" > "$W/null"'),
    Row("tee -a", 'echo new | tee -a "$F" > "$W/null"', over="old\nnew\n"),
    Row("cp", 'cp "$W/new" "$F"'),
    Row("cp -a", 'cp -a "$W/new" "$F"'),
    Row("cp /dev/null", 'cp /dev/null "$F"', "", versions=(0, 1, 1)),
    Row("mv, same secret", 'mv "$D/g" "$F"', cases="new existing", takes="D/g"),
    Row("mv, other secret", 'mv "$O/g" "$F"', takes="O/g"),
    Row("mv from outside", 'cp "$W/new" "$W/in" && mv "$W/in" "$F"', versions=UNLINKS),
    Row("mv to outside", 'mv "$F" "$W/out" && cmp "$W/old" "$W/out"', None, versions=GONE,
        cases=EXISTING),
    Row("rm", 'rm "$F"', None, versions=GONE, cases=EXISTING),
    Row("install -m600", 'install -m600 "$W/new" "$F"', versions=UNLINKS),
    Row("ln -s", 'ln -s keep "$F"', None, versions=NONE, cases="new", fails="not permitted"),
    Row("ln -sf", 'ln -sf keep "$F"', "old\n", versions=NONE, cases=EXISTING,
        fails="not permitted"),
    Row("ln", 'ln "$D/keep" "$F"', None, versions=NONE, cases="new", fails="not permitted"),
    Row("mkfifo", 'mkfifo "$F"', None, versions=NONE, cases="new", fails="not permitted"),
    # When it cannot open the file it sets the times all the same, which is forgotten: no failure.
    Row("touch", 'touch "$F"', "", "old\n", versions=NONE,
        unseen="down:existing down:last ro:existing ro:last"),
    Row("truncate -s0", 'truncate -s0 "$F"', ""),
    Row("truncate -s3", 'truncate -s3 "$F"', "\0\0\0", "old"),
    Row("dd conv=fsync", 'dd if="$W/new" of="$F" conv=fsync status=none'),
    Row("dd conv=notrunc seek", 'printf NEW | dd of="$F" bs=1 seek=1 conv=notrunc status=none',
        "\0NEW", "oNEW"),
    Row("sed -i", 'sed -i s/old/new/ "$F"', cases=EXISTING),
    Row("perl -pi", 'perl -pi -e s/old/new/ "$F"', cases=EXISTING, needs="perl"),
    Row("vim", VIM.format("", VI), needs=VI),
    Row("vim, backupcopy=yes", VIM.format("backupcopy=yes", VI), needs=VI),
    # It renames the file away, and makes it anew: as long as it is here under its other name, no version.
    Row("vim, backupcopy=no", VIM.format("backupcopy=no", VI), needs=VI),
    Row("vim, in place", VIM.format("nowritebackup", VI), needs=VI),
    Row("vim.tiny", VIM.format("", "vim.tiny"), needs="vim.tiny"),
    Row("nvim", VIM.format("", "nvim").replace("-N ", ""), needs="nvim"),
    # nano's exit status is always 0: the driver looks at what it says.
    Row("nano", 'python3 "$W/nano.py" "$F"', over="newold\n", needs="nano"),
    # Where it makes a backup it renames the file away for it.
    Row("emacs -batch", EMACS.format("(setq make-backup-files nil)"), needs="emacs"),
    Row("emacs with a backup", EMACS.format(""), needs="emacs"),
    Row("ed", 'printf "a\\nnew\\n.\\nw\\nq\\n" | ed -s "$F"', over="old\nnew\n", needs="ed"),
    Row("rsync", 'rsync "$W/new" "$F"', needs="rsync"),
    Row("rsync -a", 'rsync -a "$W/new" "$F"', needs="rsync"),
    Row("rsync --inplace", 'rsync --inplace "$W/new" "$F"', needs="rsync"),
    # open(O_EXCL) is EEXIST: it unlinks, and opens again.
    Row("tar x", 'tar -C "$D" -xf "$W/f.tar"', versions=UNLINKS),
    Row("tar x --overwrite", 'tar -C "$D" --overwrite -xf "$W/f.tar"'),
    Row("unzip -o", 'unzip -qo "$W/f.zip" -d "$D"', versions=UNLINKS, needs="unzip"),
    Row("git checkout", 'cd "$D" && cp -r "$W/repo" "$W/repo.$$" && '
        'git --git-dir="$W/repo.$$" --work-tree=. checkout -qf .', versions=UNLINKS),
    Row("curl -o", 'curl -sfo "$F" "file://$W/new"', needs="curl"),
    Row("python open('w')", PYTHON.format('open(F, "w").write("new\\n")')),
    Row("python os.replace", PYTHON.format('os.replace(D + "/g", F)'), cases="new existing",
        takes="D/g"),
    Row("python tempfile", PYTHON.format(
        't = tempfile.NamedTemporaryFile("w", dir=D, delete=False); t.write("new\\n"); t.close(); '
        'os.replace(t.name, F)')),
    Row("python shutil.copy", PYTHON.format('shutil.copy(W + "/new", F)')),
    Row("node writeFile", 'node -e \'require("fs").promises.writeFile(process.env.F, "new\\n")\'',
        needs="node"),
    Row("go os.WriteFile", '"$W/write" "$F"', needs="go"),
    Row("openssl genrsa -out", 'openssl genrsa -out "$F" 1024', BEGIN),
    Row("openssl pkcs12 -out", 'openssl pkcs12 -export -inkey "$W/key" -in "$W/cert" -passout pass:x '
        '-out "$F" && openssl pkcs12 -in "$F" -passin pass:x -nokeys -noout', DER),
    Row("ssh-keygen -f", 'ssh-keygen -q -t ed25519 -N "" -f "$F"', BEGIN, versions=(2, 2, 2),
        cases="new", adds="f.pub", needs="ssh-keygen"),
]

# Types "new", has it written, and leaves; its failure is one when nano says that it cannot.
NANO = r"""
import os, pty, re, select, sys, time
pid, fd = pty.fork()
if not pid:
    os.environ["TERM"] = "xterm"
    os.execvp("nano", ["nano", "--ignorercfiles", sys.argv[1]])
screen = b""
def until(pattern):
    global screen
    end = time.monotonic() + 20
    while not (found := re.search(pattern, screen)):
        if time.monotonic() > end or not select.select([fd], [], [], end - time.monotonic())[0]:
            sys.exit(f"nano says nothing: {screen[-300:]!r}")
        try:
            screen += os.read(fd, 4096)
        except OSError:
            sys.exit("nano has ended")
    screen = b""
    return found.group()
until(rb"New File|Read 1 line|Error reading")
os.write(fd, b"new\x0f")
until(rb"File Name to Write")
os.write(fd, b"\r")
said = until(rb"Wrote \d+ line|Error writing[^\x1b]*|rror[^\x1b]*")
os.write(fd, b"\x18n" if b"rror" in said else b"\x18")
try:
    while os.read(fd, 4096):
        pass
except OSError:
    pass
os.waitpid(pid, 0)
if b"rror" in said:
    sys.exit(said.decode())
"""

GO = """package main

import (
	"fmt"
	"os"
)

func main() {
	if err := os.WriteFile(os.Args[1], []byte("new\\n"), 0600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
"""

WORK = """
echo new > new; echo new > f; echo old > old; echo a > a; echo b > b
tar -cf f.tar f
! command -v zip > null || zip -q f.zip f
git init -q --bare repo
git --git-dir=repo --work-tree=. add f
git --git-dir=repo --work-tree=. -c user.name=x -c user.email=x@x commit -qm x
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -subj /CN=x 2> null
! command -v go > null || GO111MODULE=off CGO_ENABLED=0 go build -o write write.go
"""


class Matrix:
    """All rows on one server: the secret NAME-CASE for each."""

    def __init__(self, t):
        self.t = t
        self.work = f"{t.root}/work"
        os.mkdir(self.work)
        for name, text in (("nano.py", NANO), ("write.go", GO)):
            with open(f"{self.work}/{name}", "w") as f:
                f.write(text)
        t.run("bash", "-ec", f"cd '{self.work}'\n{WORK}")
        # For rsync(1) a file of the same size and second is the same file.
        os.utime(f"{self.work}/new", (1e9, 1e9))
        self.rows = [r for r in ROWS if not r.needs or shutil.which(r.needs)]
        self.skipped = [f"{r.name}: no {r.needs} here" for r in ROWS if r not in self.rows]
        if not shutil.which("zip"):
            self.rows = [r for r in self.rows if r.needs != "unzip"]
        self.cells = [(i, r, c) for i, r in enumerate(self.rows) for c in r.cases.split()]
        self.wrong = []
        self.status = {}

    def path(self, i, case, kind="s"):
        return f"{kind}{i:02d}-{case}"

    def before(self, row, case):
        fields = {} if case == "last" else {"keep": "k"}
        if case != "new":
            fields["f"] = "old\n"
        if row.takes == "D/g":
            fields["g"] = "new\n"
        return fields

    def prepare(self):
        for i, row, case in self.cells:
            self.t.put(self.path(i, case), self.before(row, case))
            if "$O" in row.script:
                self.t.put(self.path(i, case, "o"), {"g": "new\n", "h": "h"})

    def warm(self, m):
        for i, row, case in self.cells:
            os.listdir(m / self.path(i, case))
            if case != "new":
                m.read(f"{self.path(i, case)}/f")
            if "$O" in row.script:
                m.read(f"{self.path(i, case, 'o')}/g")

    def run(self, m, i, row, case):
        d = m / self.path(i, case)
        places = {"F": f"{d}/f", "D": d, "W": self.work, "O": m / self.path(i, case, "o")}
        return subprocess.run(["bash", "-o", "pipefail", "-c", row.script], cwd=self.work, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", check=False,
                              env={**os.environ, **places, "HOME": self.work, "TMPDIR": self.work,
                                   "LC_ALL": "C.UTF-8"})

    def check(self, what, ok, row, case):
        if not ok:
            self.wrong.append(f"{row.name}, {case}: {what}")

    def failing(self, m, how):
        """Where nothing can be written: it must be told, and nothing may be."""
        for i, row, case in self.cells:
            done = self.run(m, i, row, case)
            self.status[how, i, case] = done.returncode
            if f"{how}:{case}" not in row.unseen:
                self.check(f"{how}: ended with 0", done.returncode != 0, row, case)
        for i, row, case in self.cells:
            name = self.path(i, case)
            same = self.t.version(name) == 1 and self.t.get(name) == self.before(row, case)
            self.check(f"{how}: it is changed at the server", same, row, case)

    def judge(self):
        for line in self.skipped:
            print(f"# skipped: {line}")
        assert not self.wrong, "\n" + "\n".join(self.wrong)

    def working(self, m, proxy=None):
        print(f"# {'program':22} {'field':9} versions  requests        up      down read-only")
        for i, row, case in self.cells:
            count = len(proxy.requests) if proxy else 0
            done = self.run(m, i, row, case)
            m.settle()
            asked = len(proxy.requests) - count if proxy else 0
            self.status["up", i, case] = done.returncode
            if row.fails:
                ok = done.returncode != 0 and row.fails in done.stderr
            else:
                ok = done.returncode == 0
            self.check(f"ended with {done.returncode}: {done.stderr[-300:]}", ok, row, case)
            versions = self.t.version(self.path(i, case)) - 1
            expected = row.versions[("new", "existing", "last").index(case)]
            self.check(f"{versions} versions, not {expected}", versions == expected, row, case)
            self.check(f"{asked} requests", asked <= 5 + 5 * max(versions, 1), row, case)
            self.outcome(m, i, row, case)
            print(f"# {row.name:22} {case:9} {versions:8} {asked:9}"
                  + "".join(f" {self.status.get((how, i, case), '-'):>9}" for how in ("up", "down", "ro")),
                  flush=True)

    def outcome(self, m, i, row, case):
        name = self.path(i, case)
        expected = row.value if case == "new" or row.over is None else row.over
        held = self.t.get(name) or {}
        names = {"keep"} if case != "last" else set()
        if expected is not None:
            names.add("f")
        names |= set(row.adds.split())
        seen = set(self.t.run("ls", "-A", m / name)[1].decode().split("\n")) - {""}  # a process each: no walk
        self.check(f"the mount lists {sorted(seen)}", seen == names, row, case)
        if case == "new" and row.versions[0] == 0:
            names.discard("f")  # it is here alone
        self.check(f"the server holds {sorted(held)}", set(held) == names, row, case)
        self.check("its neighbour is changed", held.get("keep", "k") == "k", row, case)
        if row.takes == "O/g":
            self.check("it is still in the other secret",
                       self.t.get(self.path(i, case, "o")) == {"h": "h"}, row, case)
        if expected is None or "f" not in seen:
            return
        read = m.read(f"{name}/f")
        good = expected(read) if callable(expected) else read == expected.encode()
        self.check(f"reads as {read!r}", good, row, case)
        if "f" in held and held["f"].encode() != read:
            self.check(f"the server holds {held['f']!r}",
                       is_binary(read) and base64.b64decode(held["f"]) == read, row, case)


def is_binary(value):
    try:
        value.decode()
        return b"\0" in value
    except UnicodeDecodeError:
        return True


@test(("vault", "bao"), seconds=400)
def matrix(t):
    "every program makes the versions it should, the server holds what it wrote, and it reports failures"
    x = Matrix(t)
    x.prepare()
    name = f"ro-{t.name}"
    t.server.policy(name, {f"secret/data/{t.folder}/*": ["read"],
                           f"secret/metadata/{t.folder}/*": ["list", "read"]})
    proxy = Proxy(t.server)
    environment = {"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token}
    options = ("timeout=2s", "max_retries=0", "ttl=1h", "watch=0")  # requests are counted
    up = t.mount(*options, env=environment)
    down = t.mount(*options, env=environment)
    ro = t.mount(*options, token=t.server.make_token(policies=[name]))
    try:
        x.warm(down)
        proxy.refuse()
        down.expect("")
        x.failing(down, "down")
        proxy.listen()
        ro.expect("EACCES|scratch")
        x.failing(ro, "ro")
        x.working(up, proxy)
        x.judge()
        down.end()
        up.end()
    finally:
        proxy.close()


@test(("local",), seconds=400)
def matrix_of_a_store(t):
    "every program makes the versions that it should, and the store holds what it wrote"
    x = Matrix(t)
    x.prepare()
    x.working(t.mount("ttl=1h", "watch=0"))
    x.judge()


main()
