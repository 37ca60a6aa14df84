# SPDX-License-Identifier: Apache-2.0
"""The tests' frame: a function with a sentence is a test, run against each server that is there, in a
directory of its own, with a time of its own; TAP on stdout.

    from harness import test, main

    @test()
    def reads(t):
        "a field reads as its bytes"
        t.put("db", {"password": "s3cret"})
        m = t.mount()
        assert m.read("db/password") == b"s3cret"

    main()

VAULTFS_ONLY=word runs the tests whose name has the word; VAULTFS_KEEP=1 keeps the directories;
VAULTFS_TIMES=1 says how long each took; VAULTFS_LONG=1 lets proofs take hours, see long()."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import mount as mounts
import server as servers


Skip = servers.Skip


class Test:
    """Everything a test gets: a server, a folder of it, a directory, mounts that end with it."""

    def __init__(self, server, name, root):
        self.server = server
        self.name = name
        self.root = root
        self.folder = f"t/{name}"
        self.mounts = []
        self.processes = []
        self.canaries = [server.token] if server else []

    @property
    def product(self):
        return self.server.product if self.server else None

    def canary(self, text=""):
        """A value that must never be seen anywhere but in the file."""
        value = f"canary-{os.urandom(8).hex()}{text}"
        self.canaries.append(value)
        return value

    def path(self, name):
        """Of a secret of this test, in the engine."""
        return f"{self.folder}/{name}" if name else self.folder

    def place(self, name):
        """The same, as a command and user.vault.path have it."""
        return self.server.source(f"secret/{self.path(name)}")

    def put(self, name, fields, **more):
        return self.server.put(self.path(name), fields, **more)

    def get(self, name, version=None):
        return self.server.get(self.path(name), version)

    def version(self, name):
        return self.server.version(self.path(name))

    def mount(self, *options, source="", env=None, token=None, args=(), wait=True,
              wrapper=()):
        """Mounts this test's folder; `source` is below it, or absolute ("/secret"; "/" is all
        engines)."""
        if source is not None:
            source = source[1:] or "/" if source.startswith("/") else f"secret/{self.path(source)}"
            source = self.server.source(source) if self.server else source
        root = f"{self.root}/m{len(self.mounts)}"
        os.makedirs(root)
        if self.product == "local":
            env = self.server.environment(token, env)
            options = (f"key=file:{self.server.key}", *options)
        elif env is None:
            env = {"VAULT_ADDR": self.server.address, "VAULT_TOKEN": token or self.server.token}
            if self.server.tls:
                env["VAULT_CACERT"] = self.server.ca_file
        # One home for all mounts of a test, since what is sealed for a login names its token's file.
        env = mounts.clean_environment(**{"HOME": self.root, **env})
        m = mounts.Mount(root, source, list(options), env, self.canaries, args, wrapper)
        self.mounts.append(m)
        if wait:
            m.wait_mounted()
        return m

    def run(self, *args, check=True, input=None, env=None, timeout=60):
        """A program, as a user runs it: (status, stdout, stderr)."""
        done = subprocess.run(args, input=input, capture_output=True, timeout=timeout, env=env,
                              check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{args} ended with {done.returncode}: "
                                 f"{done.stderr.decode(errors='replace')}")
        return done.returncode, done.stdout, done.stderr

    def shell(self, script, check=True, **variables):
        return self.run("bash", "-c", script, check=check,
                        env={**os.environ, **{k: str(v) for k, v in variables.items()}})

    def spawn(self, *args, **more):
        """A program in the background, that is killed at the end if it still runs."""
        p = subprocess.Popen(args, stdin=subprocess.DEVNULL, **more)
        self.processes.append(p)
        return p

    def note(self, text):
        print(f"# {self.name}: {text}", flush=True)

    def finish(self):
        for m in self.mounts:
            m.end()

    def destroy(self):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
        for m in self.mounts:
            m.destroy()

    def print_logs(self):
        for m in self.mounts:
            lines = m.log().splitlines()
            crash = [n for n, line in enumerate(lines) if "ERROR: " in line and "Sanitizer" in line]
            for line in (lines[max(0, crash[0] - 5):crash[0] + 60] if crash else lines[-25:]):
                print(f"#   {line}")


_tests = []


SERVERS = ("vault", "bao", "local")  # the default; see main() for the last


def until(condition, seconds=30):
    """Waits for it, and says how long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it never comes to be"
        time.sleep(0.02)
    return time.monotonic() - begun


def test(products=SERVERS, seconds=90, needs=()):
    """`products`: () for a test without a server. `needs`: programs."""
    def register(function):
        _tests.append((function, products, seconds, needs))
        return function
    return register


def long():
    """Whether proofs may take longer than a suite has: `contrib/check --long`."""
    return bool(os.environ.get("VAULTFS_LONG"))


def skip(reason):
    raise Skip(reason)


def _on_alarm(signum, frame):
    raise AssertionError("the test took too long")


def _available(product):
    return product != "bao" or servers.find_bao() is not None


class Runner:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="vaultfs-test-")
        self.servers = {}
        self.number = 0
        self.failed = 0

    def server(self, product):
        """One for all tests of the file; a new one where a test has ended it."""
        if product is None:
            return None
        s = self.servers.get(product)
        if s is None or s.process is None or s.process.poll() is not None:
            kind = servers.LocalStore if product == "local" else servers.Server
            s = kind(product, f"{self.root}/{product}{len(os.listdir(self.root))}")
            self.servers[product] = s
        return s

    def report(self, ok, title, directive=""):
        self.number += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.number} - {title}{directive}", flush=True)

    def run(self, function, product, seconds, needs):
        title = f"{product}: {function.__doc__}" if product else function.__doc__
        missing = [p for p in needs if not shutil.which(p)]
        if missing:
            self.report(True, title, f" # SKIP no {' and no '.join(missing)} here")
            return
        root = f"{self.root}/{function.__name__}-{product}"
        os.makedirs(root)
        t = None
        began = time.monotonic()
        signal.signal(signal.SIGALRM, _on_alarm)
        signal.alarm(seconds)
        try:
            t = Test(self.server(product), function.__name__, root)
            function(t)
            t.finish()
            self.report(True, title)
        except Skip as reason:
            self.report(True, title, f" # SKIP {reason}")
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            self.report(False, title)
            for line in traceback.format_exc().splitlines():
                print(f"#   {line}")
            if t:
                t.print_logs()
        finally:
            signal.alarm(0)
            if t:
                t.destroy()
            if os.environ.get("VAULTFS_TIMES"):
                print(f"# {time.monotonic() - began:.1f} s: {product} {function.__name__}", flush=True)

    def close(self):
        for s in self.servers.values():
            s.stop()
        if os.environ.get("VAULTFS_KEEP"):
            print(f"# kept: {self.root}")
        else:
            shutil.rmtree(self.root, ignore_errors=True)


def main(local=False):
    """`local`: what is tested on servers is tested on a local store too."""
    # A shell that runs us in the background ignores these signals, and our children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if os.environ.get("VAULTFS_QUICK"):
        print("1..0 # SKIP VAULTFS_QUICK is set")
        return
    only = os.environ.get("VAULTFS_ONLY", "")
    wanted = os.environ.get("VAULTFS_PRODUCTS", "vault bao local").split()
    runs = []
    skipped = []
    for function, products, seconds, needs in _tests:
        if only not in function.__name__:
            continue
        for product in products or (None,):
            if product and product not in wanted:
                continue
            if product == "local" and not local and products is SERVERS:
                continue
            if product and not _available(product):
                skipped.append(f"{product}: {function.__doc__}")
            else:
                runs.append((function, product, seconds, needs))
    print(f"1..{len(runs) + len(skipped)}", flush=True)
    runner = Runner()
    began = time.monotonic()
    try:
        for run in runs:
            runner.run(*run)
        for title in skipped:
            runner.report(True, title, " # SKIP no bao on PATH and none in $BAO")
    finally:
        runner.close()
    print(f"# took {time.monotonic() - began:.0f} s")
    sys.exit(1 if runner.failed else 0)
