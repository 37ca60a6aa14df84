# SPDX-License-Identifier: Apache-2.0
"""People for the tests: functions run as another user, in a process of its own, and a tmpfs that shows
what a file system answers by owner, group and mode."""

import ctypes
import errno
import json
import os
import traceback

_libc = ctypes.CDLL(None, use_errno=True)


class Person:
    """A user: `groups` are the supplementary ones."""

    def __init__(self, name, uid, gid, groups=()):
        self.name, self.uid, self.gid, self.groups = name, uid, gid, list(groups)

    def __repr__(self):
        return self.name

    def become(self):
        os.setgroups(self.groups)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)


OWNER, GROUP = 61000, 61100
ROOT = Person("root", 0, 0)
PEOPLE = [ROOT, Person("owner", OWNER, 60000), Person("in the group", 61001, GROUP),
          Person("of the group by a supplementary one", 61002, 60000, [60001, GROUP]),
          Person("other", 61003, 60000)]


class Worker:
    """A process of that person which runs functions that are in the caller's memory at its start."""

    def __init__(self, person):
        self.person = person
        down, up = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(down[1])
                os.close(up[0])
                os.umask(0)
                person.become()
                os.chdir("/")
                self._serve(os.fdopen(down[0]), os.fdopen(up[1], "w"))
                status = 0
            finally:
                os._exit(status)
        os.close(down[0])
        os.close(up[1])
        self.to, self.answers = os.fdopen(down[1], "w"), os.fdopen(up[0])

    def _serve(self, orders, answers):
        for line in orders:
            if line == "\n":  # no end of file: a later worker has the descriptor too
                return
            name, args = json.loads(line)
            try:
                answer = json.dumps([True, FUNCTIONS[name](*args)])
            except Exception:
                answer = json.dumps([False, traceback.format_exc()])
            answers.write(answer + "\n")
            answers.flush()

    def ask(self, name, *args):
        self.to.write(json.dumps([name, args]) + "\n")
        self.to.flush()
        ok, answer = json.loads(self.answers.readline())
        assert ok, answer
        return answer

    def end(self):
        self.to.write("\n")
        self.to.close()
        self.answers.close()
        os.waitpid(self.pid, 0)


FUNCTIONS = {}


def remote(function):
    """Marks what a worker may be asked to run."""
    FUNCTIONS[function.__name__] = function
    return function


def result_of(action, *args):
    """The result, or the name of its errno."""
    try:
        return action(*args)
    except OSError as e:
        return errno.errorcode[e.errno]


class Tmpfs:
    """A tmpfs at `path`, until end()."""

    def __init__(self, path):
        self.path = path
        os.makedirs(path, exist_ok=True)
        # nosuid, nodev and noexec, as mounts of ours
        if _libc.mount(b"tmpfs", path.encode(), b"tmpfs", 14, b"mode=0755") < 0:
            raise OSError(ctypes.get_errno(), "cannot mount a tmpfs")

    def make(self, name, mode, text=None, uid=OWNER, gid=GROUP):
        path = f"{self.path}/{name}" if name else self.path
        if text is None:
            os.makedirs(path, exist_ok=True)
        else:
            with open(path, "w") as f:
                f.write(text)
        os.chmod(path, mode)
        os.chown(path, uid, gid)

    def make_read_only(self):
        if _libc.mount(None, self.path.encode(), None, 14 | 1 | 32, None) < 0:  # MS_RDONLY, MS_REMOUNT
            raise OSError(ctypes.get_errno(), "cannot remount")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.end()

    def end(self):
        _libc.umount2(self.path.encode(), 2)


class Bind:
    """A bind mount: shows `path` at `at` too."""

    def __init__(self, path, at):
        self.at = at
        if os.path.isdir(path):
            os.makedirs(at)
        else:
            os.close(os.open(at, os.O_CREAT | os.O_WRONLY))
        if _libc.mount(path.encode(), at.encode(), None, 4096, None) < 0:
            raise OSError(ctypes.get_errno(), "cannot bind")

    def __enter__(self):
        return self.at

    def __exit__(self, *error):
        _libc.umount2(self.at.encode(), 2)


def open_the_way(t):
    """The test's own directories let others pass."""
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)
