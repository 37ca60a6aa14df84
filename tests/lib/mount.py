# SPDX-License-Identifier: Apache-2.0
"""Mounts for the tests: a daemon in the foreground, in a directory of its own, that must answer, must
end with status 0, and must not have let a secret slip."""

import ctypes
import errno
import os
import re
import signal
import subprocess
import time

BUILD = os.environ.get("VAULTFS_BUILD", os.getcwd())
VAULTFS = os.environ.get("VAULTFS", f"{BUILD}/src/vaultfs")

_libc = ctypes.CDLL(None, use_errno=True)


def is_mounted(path):
    with open("/proc/self/mountinfo") as f:
        return any(line.split(" ")[4] == path for line in f)


def sanitized():
    """Whether the program was built with a sanitizer, and then keeps secrets in malloc's memory."""
    linked = subprocess.run(["ldd", VAULTFS], capture_output=True, text=True, check=False).stdout
    return "libasan" in linked or "libtsan" in linked


def in_namespace(script, *words, keep=(), options=()):
    """A command that runs a script of bash, with words as its $0, $1 ..., in a mount namespace of its own.
    It first lets go of the mounts of vaultfs that were copied there, but for those in `keep`: a daemon ends
    with the last copy of its mount, and so another test's would last as long as this namespace."""
    keep = " ".join(f"-e {path}" for path in ("/none", *keep))
    alone = (f"awk '/ - fuse.vaultfs /{{print $5}}' /proc/self/mountinfo | grep -vxF {keep} | "
             'while read -r at; do umount -l "$at"; done\n')
    return ["unshare", "-m", *options, "bash", "-c", alone + script, *words]


def lazy_unmount(path):
    _libc.umount2(path.encode(), 2)


def clean_environment(**more):
    """The environment of a daemon: without the variables, and without the home, of the person who runs
    the tests, since either could log it in."""
    env = {k: v for k, v in os.environ.items()
           if k != "HOME" and not k.startswith(("VAULT_", "BAO_"))}
    env.update({k: v for k, v in more.items() if v is not None})
    return env


class Mount:
    """`canaries` are values that nothing may ever print. Warnings in the log are a failure unless the
    test expects them."""

    def __init__(self, root, source, options, env, canaries, args=(), wrapper=()):
        self.root = root
        self.path = f"{root}/mnt"
        self.log_path = f"{root}/log"
        self.canaries = canaries
        self.expected = []
        self.ended = False
        os.makedirs(self.path, exist_ok=True)
        command = [*wrapper, VAULTFS, "mount", "-f", *args]
        if options:
            command += ["-o", ",".join(options)]
        if source is not None:
            command.append(source)
        command.append(self.path)
        env.setdefault("HOME", root)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=open(self.log_path, "ab"),
                                        stderr=subprocess.STDOUT, env=env)

    def wait_mounted(self):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            if is_mounted(self.path) and "mounted" in self.log():
                os.stat(self.path)
                return
            time.sleep(0.01)
        raise AssertionError("the mount does not answer")

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, seconds=30):
        """Waits until a line of the log matches."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if re.search(pattern, self.log()):
                return
            time.sleep(0.02)
        raise AssertionError(f"the log never says {pattern!r}")

    def expect(self, *patterns):
        """Warnings that match are part of the test."""
        self.expected += patterns

    def __truediv__(self, name):
        return f"{self.path}/{name}"

    def read(self, name):
        with open(f"{self.path}/{name}", "rb") as f:
            return f.read()

    def write(self, name, value):
        with open(f"{self.path}/{name}", "wb") as f:
            f.write(value if isinstance(value, bytes) else value.encode())

    def errno_of(self, action, *args):
        """The name of the errno that it fails with, "" where it does not."""
        try:
            action(*args)
        except OSError as e:
            return errno.errorcode[e.errno]
        return ""

    def memory(self, key="VmRSS"):
        """Of the daemon, in KiB."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(key + r":\s+(\d+)", f.read()).group(1))

    def settle(self):
        """Waits for effects that a test may expect after its last close."""
        time.sleep(0.05)

    def unmount(self):
        subprocess.run([VAULTFS, "umount", self.path], check=True, timeout=30,
                       stderr=subprocess.PIPE)

    def wait_end(self, seconds=40):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"the daemon does not end\n{self.what_holds()}") from e
        self.ended = True
        return status

    def what_holds(self):
        """For a daemon that should have ended: the processes that see its mount or hold files in it, and the
        stacks of its threads."""
        seen = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/mountinfo") as mounts, open(f"/proc/{pid}/comm") as comm:
                    who = f"{comm.read().strip()} ({pid}, {os.readlink(f'/proc/{pid}/ns/mnt')})"
                    seen += [f"{who} sees it" for line in mounts if line.split(" ")[4] == self.path]
                links = [f"/proc/{pid}/cwd", *(f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd"))]
                seen += [f"{who} holds {link}" for link in links if os.readlink(link).startswith(self.path)]
                with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/stack") as stack:
                    if stat.read().rpartition(")")[2].split()[1] == str(self.process.pid):
                        seen.append(f"{who} is its child, at {stack.read()}")
            except OSError:
                pass
        stacks = subprocess.run(
            ["gdb", "-p", str(self.process.pid), "-batch", "-ex", "set print frame-arguments none",
             "-ex", "thread apply all bt"], capture_output=True, text=True, check=False)
        return "\n".join([*(seen or ["nobody sees the mount"]), *(
            line for line in stacks.stdout.splitlines() if line.startswith(("#", "Thread")))])

    def end(self):
        """The end of every test: unmounts, and checks what must hold for each mount."""
        if not self.ended:
            self.unmount()
            status = self.wait_end()
            assert status == 0, f"the daemon ended with status {status}"
        assert not is_mounted(self.path), "it is still mounted"
        self.check_log()

    def check_log(self):
        log = self.log()
        for canary in self.canaries:
            assert canary not in log, "a secret is in the log"
        for line in log.splitlines():
            if re.search(r"^\S+ (warning|error) |ERROR: |runtime error:|\"level\":\"(warning|error)\"",
                         line):
                assert any(re.search(p, line) for p in self.expected), f"in the log: {line}"

    def destroy(self):
        """Whatever state it is in."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        if is_mounted(self.path):
            lazy_unmount(self.path)
