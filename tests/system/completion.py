#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completion: what bash and zsh offer when a person presses TAB, in shells that run on a terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness import main, test
from mount import VAULTFS, clean_environment

FIND = re.compile(rb"\x02<(.*?)>\x03", re.S)


class Terminal:
    """A shell on a terminal, in which a line can be typed and completed."""

    def __init__(self, t, shell, start, **env):
        self.name, self.root = shell, f"{t.root}/{shell}"
        os.makedirs(f"{self.root}/bin")
        os.symlink(VAULTFS, f"{self.root}/bin/vaultfs")
        self.env = clean_environment(HOME=self.root, TERM="dumb", LC_ALL="C.UTF-8", PS1="", PROMPT="", **env)
        self.env["PATH"] = f"{self.root}/bin:{os.environ['PATH']}"
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(self.root)
            argv = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
            os.execvpe(shell, argv, self.env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 1000, 0, 0))
        self.seen = b""
        self.count = 0
        self.run(start)

    def read_until(self, condition):
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, self.seen[-2000:]
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 65536)

    def run(self, line):
        self.count += 1
        os.write(self.fd, f"{line}\nprintf '%s%s\\n' do ne{self.count}.\n".encode())
        self.read_until(lambda: f"done{self.count}.".encode() in self.seen)

    def complete(self, line):
        """What stands on the line after TAB: the shell itself is asked to print it, as its words."""
        self.seen = b""
        # Ctrl-A goes to the line's beginning, Ctrl-E to its end.
        os.write(self.fd, line.encode() + b"\t." + b"\x01printf '\\002<%s>\\003' \x05\n")
        self.read_until(lambda: len(FIND.findall(self.seen)) > 0 and FIND.findall(self.seen)[-1].endswith(b"."))
        return [w.decode() for w in FIND.findall(self.seen)]

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def shells(t, **env):
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token, **env}
    yield Terminal(t, "bash", 'bind "set bell-style none"; bind "set enable-bracketed-paste off"; '
                   'source <(vaultfs completion bash)', **env)
    yield Terminal(t, "zsh", "autoload -U compinit; compinit -u -D; bindkey -e; setopt no_beep no_auto_menu; "
                   "unset zle_bracketed_paste; source <(vaultfs completion zsh)", **env)


def check(shell, line, *words):
    """The words that the line has, once it is completed; "." is put behind what follows the cursor."""
    got = shell.complete(line)
    assert got == list(words), (shell.name, line, got, words)


@test(needs=("bash", "zsh"), seconds=150)
def on_a_terminal(t):
    "commands, flags, options, values and paths are completed by bash and by zsh"
    t.put("app/database", {"password": "1", "user": "2"})
    t.put("app/with blank", {"x": "1"})
    t.put("app/deep/er", {"x": "1"})
    base = f"secret/{t.folder}"
    for s in shells(t):
        with open(f"{s.root}/value.txt", "w") as f:
            f.write("x")
        os.makedirs(f"{s.root}/folder")
        # What ends is followed by a blank, so that the dot is a word of its own.
        check(s, "vaultfs hist", "vaultfs", "history", ".")
        check(s, "vaultfs undel", "vaultfs", "undelete", ".")
        check(s, "vaultfs get --fi", "vaultfs", "get", "--field", ".")
        check(s, "vaultfs ls --rec", "vaultfs", "ls", "--recursive", ".")
        check(s, "vaultfs get --format js", "vaultfs", "get", "--format", "json", ".")
        check(s, "vaultfs get --format=js", "vaultfs", "get", "--format=json", ".")
        check(s, "vaultfs mount -o neg", "vaultfs", "mount", "-o", "negative_ttl=.")
        check(s, "vaultfs get -o ro,secret_id_wrapped=au", "vaultfs", "get", "-o", "ro,secret_id_wrapped=auto", ".")
        check(s, "vaultfs get -o allow_o", "vaultfs", "get", "-o", "allow_other", ".")
        check(s, "vaultfs get -o auth=kub", "vaultfs", "get", "-o", "auth=kubernetes", ".")
        check(s, "vaultfs login user", "vaultfs", "login", "userpass", ".")
        check(s, "vaultfs completion z", "vaultfs", "completion", "zsh", ".")
        check(s, "vaultfs help desl", "vaultfs", "help", "desl.")
        check(s, "vaultfs help dest", "vaultfs", "help", "destroy", ".")
        check(s, "vaultfs umount fol", "vaultfs", "umount", "folder/.")
        check(s, "vaultfs get sec", "vaultfs", "get", "secret/.")
        check(s, f"vaultfs get {base}/app/data", "vaultfs", "get", f"{base}/app/database", ".")
        check(s, f"vaultfs get {base}/a", "vaultfs", "get", f"{base}/app/.")
        check(s, f"vaultfs get {base}/app/de", "vaultfs", "get", f"{base}/app/deep/.")
        check(s, f"vaultfs get {base}/app/w", "vaultfs", "get", f"{base}/app/with blank", ".")
        check(s, f"vaultfs get {base}/app/with\\ b", "vaultfs", "get", f"{base}/app/with blank", ".")
        check(s, f"vaultfs get {base}/app/database#pa", "vaultfs", "get", f"{base}/app/database#password", ".")
        check(s, f"vaultfs history --format json {base}/app/dat", "vaultfs", "history", "--format", "json",
              f"{base}/app/database", ".")
        check(s, f"vaultfs put {base}/app/x v=@val", "vaultfs", "put", f"{base}/app/x", "v=@value.txt", ".")
        check(s, f"vaultfs get {base}/app/database/", "vaultfs", "get", f"{base}/app/database/.")
        check(s, f"vaultfs get {base}/nothing/x", "vaultfs", "get", f"{base}/nothing/x.")
        s.close()


@test(needs=("bash", "zsh"), seconds=150)
def options_of_the_line(t):
    "paths are asked with the options that are on the line; without a server nothing is offered, and said"
    t.put("app/database", {"password": "1"})
    base = f"secret/{t.folder}"
    for s in shells(t, VAULT_ADDR=None):
        check(s, f"vaultfs get {base}/app/data", "vaultfs", "get", f"{base}/app/data.")
        assert b"vaultfs:" not in s.seen and b"VAULT_ADDR" not in s.seen, s.seen
        at = f"addr={t.server.address}"
        check(s, f"vaultfs get -o {at} {base}/app/data", "vaultfs", "get", "-o", at, f"{base}/app/database", ".")
        s.close()


@test(products=(), needs=("bash", "zsh"))
def made_of_the_tables(t):
    "every command, flag and option of --help is offered, and both scripts can be read by their shell"
    help_all = t.run(VAULTFS, "--help")[1].decode()
    commands = re.findall(r"^  ([a-z]+) ", help_all.split("Commands:")[1].split("\n\n")[0], re.M)
    options = re.findall(r"^  ([a-z_]+)(=?)", t.run(VAULTFS, "mount", "--help")[1].decode().split("\n\nEnv")[0]
                         .split("is a comma")[1], re.M)
    assert len(commands) > 10 and len(options) > 30
    for shell, start, split in (("bash", ["bash", "-c"], "$"), ("zsh", ["zsh", "-f", "-c"], "$=")):
        path = f"{t.root}/{shell}"
        with open(path, "wb") as f:
            f.write(t.run(VAULTFS, "completion", shell)[1])
        t.run(shell, "-n", path)

        def says(what):
            return t.run(*start, f"compdef() {{ :; }}; source {path}; {what}")[1].decode().split()
        assert set(commands) <= set(says(f"echo {split}_vaultfs_commands"))
        assert {name + sign for name, sign in options} <= set(says(f"echo {split}_vaultfs_options"))
        for c in commands:
            told = t.run(VAULTFS, c, "--help")[1].decode()
            flags = re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", told, re.M) + re.findall(r"^  (-\w)\b", told, re.M)
            offered = says(f"_vaultfs_flags {c}")
            assert set(flags) <= set(offered), (c, flags, offered)
            assert says(f"_vaultfs_words {c}"), c
    status, _, err = t.run(VAULTFS, "completion", "fish", check=False)
    assert status == 1 and b"bash or zsh?" in err


@test(products=(), needs=("make",))
def installed(t):
    "both are installed where the shells look for them"
    build = os.path.dirname(os.path.dirname(VAULTFS))
    if not os.path.exists(f"{build}/Makefile"):
        t.note("no Makefile: it is not what was built here")
        return
    subprocess.run(["make", "-C", build, "--quiet", f"DESTDIR={t.root}/inst", "prefix=/usr", "install-nodist_bashcompletionDATA",
                    "install-nodist_zshcompletionDATA"], check=True, capture_output=True, timeout=60)
    for path, start in (("bash-completion/completions/vaultfs", "# Completion"),
                        ("zsh/site-functions/_vaultfs", "#compdef vaultfs\n")):
        with open(f"{t.root}/inst/usr/share/{path}") as f:
            assert f.read().startswith(start)


main()
