#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mount.vaultfs: what mount(8), fstab(5) and automount points need."""

import os
import subprocess
import sys

from harness import main, test
from mount import VAULTFS, clean_environment, in_namespace, is_mounted


class Helper:
    """The program under the name that mount(8) knows it by."""

    def __init__(self, t):
        self.t = t
        self.sbin = f"{t.root}/sbin"
        os.makedirs(self.sbin)
        self.path = f"{self.sbin}/mount.vaultfs"
        os.symlink(VAULTFS, self.path)
        self.dir = f"{t.root}/dir"
        os.makedirs(self.dir)
        self.token = f"{t.root}/token"
        with open(self.token, "w") as f:
            f.write(t.server.token if t.server else "x")

    def options(self, *more):
        return ",".join(more + (f"addr={self.t.server.address}", f"token_file={self.token}"))

    def run(self, *args):
        done = subprocess.run([self.path, *args], capture_output=True, timeout=60, text=True,
                              env=clean_environment(HOME=self.t.root), check=False,
                              stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def umount(self):
        self.t.run(VAULTFS, "umount", self.dir)
        assert not is_mounted(self.dir)

    def script(self, text, **variables):
        """In namespaces of its own, in which mount(8) finds the program, and which end with it."""
        head = """set -e
mount -t overlay overlay -o "lowerdir=$SBIN:$(realpath /sbin)" "$(realpath /sbin)"
mount -t tmpfs tmpfs /run
"""
        env = clean_environment(HOME="/", SBIN=self.sbin, D=self.dir, FOLDER=self.t.folder,
                                VAULTFS=VAULTFS, **variables)
        done = subprocess.run(in_namespace(head + text, options=("-p", "-f", "--kill-child", "--mount-proc")), capture_output=True, text=True, check=False,
                              timeout=60, stdin=subprocess.DEVNULL, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout


@test()
def called_as_mount_calls_it(t):
    "SOURCE DIR -n -o OPTIONS mounts; options that are meant for others are taken out"
    t.put("db", {"x": "1"})
    h = Helper(t)
    foreign = ("rw", "nofail", "_netdev", "noauto", "user=bob", "defaults", "x-systemd.automount",
               "x-systemd.mount-timeout=30", "comment=a", "nosuid", "nodev", "noexec", "noatime")
    status, out, err = h.run(f"secret/{t.folder}", h.dir, "-n", "-v", "-o",
                             h.options(*foreign, "mode=0440"))
    assert (status, out, err) == (0, "", "")
    with open(f"{h.dir}/db/x") as f:
        assert f.read() == "1"
    assert os.stat(f"{h.dir}/db/x").st_mode & 0o777 == 0o440
    h.umount()
    status, _, err = h.run("-r", f"secret/{t.folder}", h.dir, "-s", "-o", h.options("colour=red"))
    assert status == 0, err
    try:
        with open(f"{h.dir}/db/x", "w"):
            raise AssertionError("it can be written")
    except OSError:
        pass
    h.umount()


@test(products=())
def its_failures(t):
    "wrong usage is 1; a mount that fails is what mount(8) says of it"
    h = Helper(t)
    for args in ((), ("secret",), ("a", "b", "c"), ("-x", "a", h.dir)):
        status, _, err = h.run(*args)
        assert status == 1 and "Usage: mount.vaultfs SOURCE DIR" in err, (args, err)
    status, _, err = h.run("secret", h.dir, "-o", "rw,colour=red")
    assert status == 1 and "no option colour is known" in err, err
    status, _, err = h.run("secret", h.dir, "-o", "remount,ro")
    assert status == 1 and "a mount cannot be changed" in err, err
    status, _, err = h.run("secret", h.dir, "-o", f"token_file={h.token}")
    assert status == 1 and "no server" in err, err
    server = f"addr=http://127.0.0.1:1,token_file={h.token}"
    status, _, err = h.run("secret", h.dir, "-o", server)
    assert status == 32 and "cannot reach http://127.0.0.1:1" in err, err
    assert h.run("secret", h.dir, "-f", "-o", server)[0] == 0
    assert not is_mounted(h.dir)


@test(needs=("unshare", "mount", "findmnt"))
def mount_8(t):
    "mount -t vaultfs, an fstab line, findmnt and umount do what people expect"
    t.put("db", {"x": "value"})
    h = Helper(t)
    out = h.script("""
mount -t vaultfs "secret/$FOLDER" "$D" -o "$OPTIONS"
cat "$D/db/x"; echo
findmnt -n -o SOURCE,FSTYPE "$D"
umount "$D"
printf '%s %s vaultfs %s,noauto,_netdev,nofail,x-systemd.automount,user 0 0\\n' \
    "secret/$FOLDER" "$D" "$OPTIONS" >"$D.fstab"
mount -T "$D.fstab" "$D"
cat "$D/db/x"; echo
umount "$D"
! mount -t vaultfs nowhere "$D" -o "$OPTIONS" 2>"$D.err"
cat "$D.err"
""", OPTIONS=h.options())
    lines = out.splitlines()
    assert lines[0] == "value" and lines[1].split() == [f"secret/{t.folder}", "fuse.vaultfs"], out
    assert lines[2] == "value" and "no engine at nowhere" in lines[3], out


# What systemd does for x-systemd.automount: an autofs mount, of which the keeper's process group alone
# may go past it, until it says that the mount is there.
AUTOMOUNT = """
import ctypes, fcntl, os, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
os.setpgid(0, 0)
fds = os.pipe()
d = os.environ["D"].encode()
options = f"fd={fds[1]},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct".encode()
if libc.mount(b"automount", d, b"autofs", 0, options) != 0:
    print("no autofs")
    sys.exit(0)
at = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
os.close(fds[1])
reader = subprocess.Popen(["cat", os.environ["D"] + "/db/x"], start_new_session=True,
                          stdout=subprocess.PIPE)
packet = os.read(fds[0], 4096)
token = struct.unpack_from("@iiI", packet)[2]
done = subprocess.run(["mount", "-t", "vaultfs", "secret/" + os.environ["FOLDER"], os.environ["D"],
                       "-o", os.environ["OPTIONS"]], timeout=40)
READY, FAIL = 0x9360, 0x9361
fcntl.ioctl(at, READY if done.returncode == 0 else FAIL, token)
print(reader.communicate(timeout=40)[0].decode())
os.close(at)
subprocess.run(["umount", os.environ["D"]], check=True)
libc.umount2(d, 2)
"""


@test(needs=("unshare", "mount"))
def automount_point(t):
    "on an automount point, who comes first waits, and reads"
    t.put("db", {"x": "value"})
    h = Helper(t)
    out = h.script('exec "$PYTHON" -c "$AUTOMOUNT"', PYTHON=sys.executable, AUTOMOUNT=AUTOMOUNT,
                   OPTIONS=h.options())
    if out == "no autofs\n":
        t.note("no autofs here")
    else:
        assert out == "value\n", out


main()
