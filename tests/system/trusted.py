#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that say who we are and what we serve: only root's and ours, that nobody else may write, are
read. Each kind of file is given away, or opened to others, and each is refused with the way to mend it;
pipes, descriptors and the links that Kubernetes makes go on to work."""

import os
import shutil
import subprocess

from harness import Skip, main, test
from login import enable, expect, refused, save
from mount import VAULTFS, clean_environment

LOCAL = ("local",)
SERVERS = ("vault", "bao")
NOBODY = 65534
KEY = "0123456789abcdef"


def as_root():
    if os.geteuid() != 0:
        raise Skip("only root can give files away")


def key_of(t):
    key = save(t, "key", KEY)
    os.chmod(key, 0o600)
    return key


def command(t, *args, env=None, **more):
    done = subprocess.run([VAULTFS, *args], env=clean_environment(HOME=t.root, **(env or {})),
                          capture_output=True, text=True, timeout=60, check=False,
                          **{"stdin": subprocess.DEVNULL} | more if "input" not in more else more)
    return done.returncode, done.stdout, done.stderr


def store(t, file, *options):
    """A new store, with one secret."""
    status, _, err = command(t, "local", "import", *options, file,
                             input='{"format": "vaultfs-export-1", "secrets": {}}')
    assert status == 0, err
    assert command(t, "put", *options, f"local:{file}/a", "x=1")[0] == 0


def each_way(t, path, *args, env=None, ending="chmod go-w"):
    """The command works; not where `path` is another's or may be written by others; and again."""
    def works():
        status, out, err = command(t, *args, env=env)
        assert status == 0 and err == "", (status, out, err)

    mode = os.stat(path).st_mode & 0o7777
    works()
    for wrong in (0o020, 0o002):
        os.chmod(path, mode | wrong)
        status, _, err = command(t, *args, env=env)
        assert status, (path, oct(wrong), status, err)
        expect(err, path, "others may write it", ending)
    os.chmod(path, mode)
    os.chown(path, NOBODY, NOBODY)
    status, _, err = command(t, *args, env=env)
    assert status, (path, status, err)
    expect(err, path, f"belongs to uid {NOBODY}", "chown it to uid 0")
    os.chown(path, 0, 0)
    works()


@test(LOCAL)
def stores(t):
    "a store, its key, its salt and the configuration are refused where another could have written them"
    as_root()
    key, file, conf = key_of(t), f"{t.root}/s.db", save(t, "conf", "timeout = 9s\n")
    os.chmod(conf, 0o644)
    get = ["get", f"local:{file}/a#x"]
    with_key = ["-o", f"key=file:{key}"]
    store(t, file, *with_key)
    each_way(t, file, get[0], *with_key, get[1])
    each_way(t, key, get[0], *with_key, get[1])
    each_way(t, conf, get[0], "-c", conf, *with_key, get[1])
    other = f"local:{t.root}/machine.db/a"
    store(t, f"{t.root}/machine.db")
    each_way(t, f"{t.root}/machine.db", "get", f"{other}#x")
    salt = f"{t.root}/machine.db.salt"
    os.chown(salt, NOBODY, NOBODY)
    status, _, err = command(t, "get", f"{other}#x")
    assert status == 1 and "belongs to uid" in err and salt in err, err
    os.chown(salt, 0, 0)


@test(LOCAL)
def planted(t):
    "what another user puts where a store will be, or beside one, is not taken for ours"
    as_root()
    key, folder = key_of(t), f"{t.root}/open"
    os.mkdir(folder)
    os.chmod(folder, 0o1777)
    file = f"{folder}/s.db"
    get = ["get", "-o", f"key=file:{key}", f"local:{file}/a#x"]
    store(t, file, "-o", f"key=file:{key}")
    for suffix in ("-wal", "-shm", "-journal"):
        with open(file + suffix, "wb"):
            pass
        os.chown(file + suffix, NOBODY, NOBODY)
        status, _, err = command(t, *get)
        assert status == 1 and f"{suffix}: it belongs to uid" in err, (suffix, err)
        os.unlink(file + suffix)
        os.symlink("/etc/hostname", file + suffix)
        os.lchown(file + suffix, NOBODY, NOBODY)
        status, _, err = command(t, *get)
        assert status == 1 and f"{suffix}: it belongs to uid" in err, (suffix, err)
        os.unlink(file + suffix)
    assert command(t, *get)[:2] == (0, "1\n") or command(t, *get)[1] == "1"
    # A salt that somebody knows is no salt.
    with open(f"{folder}/m.db.salt", "w") as f:
        f.write("ab" * 32)
    os.chmod(f"{folder}/m.db.salt", 0o600)
    os.chown(f"{folder}/m.db.salt", NOBODY, NOBODY)
    status, _, err = command(t, "local", "import", f"{folder}/m.db",
                             input='{"format": "vaultfs-export-1", "secrets": {}}')
    assert status == 1 and "m.db.salt" in err and "belongs to uid" in err, err
    # Where everybody may swap files, ours is not safe either.
    os.chmod(folder, 0o777)
    status, _, err = command(t, *get)
    assert status == 1 and "chmod o-w the folder" in err and folder in err, err
    os.chmod(folder, 0o755)
    assert command(t, *get)[0] == 0


@test(LOCAL)
def by_descriptor(t):
    "pipes and descriptors are taken from whoever hands them to us"
    as_root()
    key = key_of(t)
    path = f"local:{t.root}/s.db/a"
    conf = save(t, "conf", f"key = file:{key}\n")
    store(t, f"{t.root}/s.db", "-c", conf)
    os.chmod(conf, 0o666)
    os.chown(conf, NOBODY, NOBODY)
    script = 'exec 3<"$1"; "$2" get -c /dev/fd/3 "$3#x" && "$2" get -c <(cat "$1") "$3#x" && ' \
             'printf "%s" "$4" | "$2" get -o key=file:/dev/stdin "$3#x"'
    out = subprocess.run(["bash", "-c", script, "-", conf, VAULTFS, path, KEY],
                         env=clean_environment(HOME=t.root), capture_output=True, text=True,
                         timeout=60, check=False)
    assert out.returncode == 0 and out.stdout.replace("\n", "") == "111", out
    status, _, err = command(t, "get", "-c", "/dev/null", "-o", f"key=file:{key}", f"{path}#x")
    assert status == 0, err


@test(SERVERS)
def credentials(t):
    "a token, role_id, secret_id, password, certificate or token cache of another user is not used"
    as_root()
    t.put("db", {"x": "1"})
    place, env = f"{t.place('db')}#x", {"VAULT_ADDR": t.server.address}
    token = save(t, "token", t.server.token)
    each_way(t, token, "get", "-o", f"token_file={token}", place, env=env)
    home = save(t, ".vault-token", t.server.token)
    each_way(t, home, "get", place, env=env)
    path = enable(t, "approle")
    t.server.policy(f"p-{t.name}", {f"secret/data/{t.folder}/*": ["read"]})
    t.server.api("POST", f"auth/{path}/role/app", {"token_policies": f"p-{t.name}"})
    role = save(t, "role_id", t.server.api("GET", f"auth/{path}/role/app/role-id")["data"]["role_id"])
    secret_id = t.server.api("POST", f"auth/{path}/role/app/secret-id", {})["data"]["secret_id"]
    t.canaries.append(secret_id)
    secret = save(t, "secret_id", secret_id)
    options = f"auth=approle,auth_mount={path},role_id_file={role},secret_id_file={secret}"
    each_way(t, role, "get", "-o", options, place, env=env)
    each_way(t, secret, "get", "-o", options, place, env=env)
    ca = save(t, "ca.pem", "")
    os.chmod(ca, 0o644)
    os.chown(ca, NOBODY, NOBODY)
    expect(refused(t, f"ca_cert={ca}", f"token_file={token}", status=1), ca, "belongs to uid")
    for name in ("env_file", "env_map", "defaults"):
        layer = save(t, name, "A_X=2\n" if name == "env_file" else "{}")
        os.chmod(layer, 0o666)
        expect(refused(t, f"token_file={token}", "env=fallback", f"{name}={layer}", status=1),
               layer, "others may write it (mode 0666)")


@test(SERVERS)
def as_kubernetes_hands_them_out(t):
    "a token that is reached through links in a folder of mode 1777, and changed by a rename of one, is read"
    t.put("db", {"x": "1"})
    folder = f"{t.root}/serviceaccount"
    os.makedirs(f"{folder}/..2024_1")
    os.chmod(folder, 0o1777)
    with open(f"{folder}/..2024_1/token", "w") as f:
        f.write(t.server.token)
    os.chmod(f"{folder}/..2024_1/token", 0o644)
    os.symlink("..2024_1", f"{folder}/..data")
    os.symlink("..data/token", f"{folder}/token")
    status, out, err = command(t, "get", "-o", f"token_file={folder}/token", f"{t.place('db')}#x",
                               env={"VAULT_ADDR": t.server.address})
    assert status == 0 and out.strip() == "1", err


@test(SERVERS)
def kept_files(t):
    "a token cache or an offline copy that another user has put there is not taken up"
    as_root()
    t.put("db", {"x": "1"})
    copy = f"{t.root}/copy"
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token}
    m = t.mount(f"offline={copy}", env=env)
    assert m.read("db/x") == b"1"
    m.end()
    assert os.stat(f"{copy}.salt").st_mode & 0o7777 == 0o600, "the machine's key alone opens nothing"
    os.chown(copy, NOBODY, NOBODY)
    expect(refused(t, f"token_file={save(t, 'token', t.server.token)}", f"offline={copy}", status=1),
           copy, "belongs to uid")
    os.chown(copy, 0, 0)
    # A copy whose salt is lost is made anew: there is nothing in it that the server has not.
    os.unlink(f"{copy}.salt")
    m = t.mount(f"offline={copy}", env=env)
    m.expect("the copy for offline use is of no use")
    assert m.read("db/x") == b"1"
    m.end()
    shutil.rmtree(copy, ignore_errors=True)


main()
