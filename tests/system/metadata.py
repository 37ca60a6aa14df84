#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metadata as attributes: custom metadata, the settings of a secret, and what copies of files with their
attributes do to them."""

import errno
import json
import os
import time

from harness import main, test

M = "user.vault.meta."


def custom(t, name="s"):
    return t.server.api("GET", f"secret/metadata/{t.path(name)}")["data"]["custom_metadata"] or {}


def settings(t, **patch):
    t.server.api("POST", f"secret/metadata/{t.path('s')}", patch)


def error(action, *args):
    try:
        action(*args)
    except OSError as e:
        return errno.errorcode[e.errno]
    return ""


@test()
def custom_metadata(t):
    "custom metadata is got, listed, set and removed, at the server at once, by the secret or a field"
    t.put("s", {"x": "1"})
    settings(t, custom_metadata={"owner": "team a", "odd key/\u00e4": "\u20ac"})
    m = t.mount()
    assert os.getxattr(m / "s", M + "owner") == b"team a"
    assert os.getxattr(m / "s/x", M + "odd key/\u00e4") == "\u20ac".encode()
    assert [n for n in os.listxattr(m / "s") if n.startswith(M)] == [M + "odd key/\u00e4", M + "owner"]
    assert not [n for n in os.listxattr(m / "s/x") if n.startswith(M)]
    t.run("setfattr", "-n", M + "expires_at", "-v", "2026-12-31", m / "s")
    os.setxattr(m / "s/x", M + "owner", "t\u00e4\u00e4m".encode())
    assert custom(t) == {"owner": "t\u00e4\u00e4m", "odd key/\u00e4": "\u20ac", "expires_at": "2026-12-31"}
    assert os.getxattr(m / "s", M + "owner") == "t\u00e4\u00e4m".encode()
    t.run("setfattr", "-x", M + "owner", m / "s")
    assert "owner" not in custom(t)
    assert error(os.getxattr, m / "s", M + "owner") == "ENODATA"
    assert error(os.removexattr, m / "s", M + "owner") == "ENODATA"
    assert b"expires_at" in t.run("getfattr", "-d", m / "s")[1]
    assert t.version("s") == 1 and json.loads(m.read("s/.vault/metadata.json"))["custom_metadata"] == custom(t)


@test()
def limits(t):
    "what the server would not take is refused before it is asked"
    t.put("s", {"x": "1"})
    m = t.mount("negative_ttl=1m")
    assert error(os.getxattr, m / "s", M + "k") == "ENODATA"
    mark = t.server.audit_mark()
    for key, value, name in (("k" * 129, b"v", "ENAMETOOLONG"), ("k", b"v" * 513, "E2BIG"),
                             ("k", b"v" * 5000, "E2BIG"), ("k", b"", "EINVAL"), ("", b"v", "ENAMETOOLONG"),
                             ("k", b"a\nb", "EINVAL"), ("k", b"a\0b", "EINVAL"), ("k", b"\xff", "EINVAL"),
                             ("a\tb", b"v", "EINVAL"), ("k", "\u0085".encode(), "EINVAL"),
                             ("vaultfs.b64.x", b"1", "ENOTSUP")):
        assert error(os.setxattr, m / "s", M + key, value) == name, (key, value)
    assert t.server.requests_since(mark, "secret/") == [] and custom(t) == {}
    os.setxattr(m / "s", M + "k" * 128, b"v" * 512)
    settings(t, custom_metadata={f"k{i}": "v" for i in range(64)})
    n = t.mount()
    assert error(os.setxattr, n / "s", M + "one more", b"v") == "ENOSPC"
    os.setxattr(n / "s", M + "k0", b"new")
    assert len(custom(t)) == 64 and custom(t)["k0"] == "new"
    top = t.mount(source="/secret")
    assert error(os.setxattr, top.path, M + "k", b"v") == "ENOTSUP"
    for x in (m, n):
        x.expect("request failed")


@test()
def marks_are_not_shown(t):
    "the marks of binary values are not shown, cannot be changed, and stay"
    m = t.mount()
    os.mkdir(m / "s")
    m.write("s/key", b"\xff\x00")
    mark = [k for k in custom(t) if k.startswith("vaultfs.b64.")][0]
    os.setxattr(m / "s", M + "a", b"1")
    assert [n for n in os.listxattr(m / "s") if n.startswith(M)] == [M + "a"]
    assert error(os.getxattr, m / "s", M + mark) == "ENODATA"
    assert error(os.removexattr, m / "s", M + mark) == "ENOTSUP"
    os.removexattr(m / "s", M + "a")
    assert list(custom(t)) == [mark] and m.read("s/key") == b"\xff\x00"


@test()
def settings_of_the_engine(t):
    "max_versions, cas_required and delete_version_after are got and set by name, and not listed"
    t.put("s", {"x": "1"})
    m = t.mount()
    get = lambda n: os.getxattr(m / "s", f"user.vault.{n}").decode()
    assert (get("max_versions"), get("cas_required"), get("delete_version_after")) == ("0", "false", "0s")
    for name, value, expected in (("max_versions", b"7", 7), ("cas_required", b"true", True),
                                  ("delete_version_after", b"90m", "1h30m0s")):
        os.setxattr(m / "s", f"user.vault.{name}", value)
        data = t.server.api("GET", f"secret/metadata/{t.path('s')}")["data"]
        assert data[name] == expected, data
    assert (get("max_versions"), get("cas_required"), get("delete_version_after")) == ("7", "true", "1h30m0s")
    m.write("s/x", "2")
    assert t.get("s") == {"x": "2"}
    for name, value in (("max_versions", b"x"), ("max_versions", b"-1"), ("cas_required", b"maybe"),
                        ("delete_version_after", b"soon"), ("delete_version_after", b"")):
        assert error(os.setxattr, m / "s", f"user.vault.{name}", value) == "EINVAL", (name, value)
    assert not {f"user.vault.{n}" for n in ("max_versions", "cas_required", "delete_version_after")} \
        & set(os.listxattr(m / "s"))
    m.expect("request failed")


@test()
def state_source_and_age(t):
    "user.vault.state, source and age tell what is shown"
    t.put("s", {"x": "1"})
    m = t.mount("negative_ttl=1s", "ttl=1h")
    get = lambda n: os.getxattr(m / "s", f"user.vault.{n}").decode()
    assert get("source") == "server" and get("state") == "live" and int(get("age")) < 60
    time.sleep(1.2)
    assert get("source") == "cache" and int(get("age")) >= 1
    for name in ("state", "source", "age"):
        os.setxattr(m / "s", f"user.vault.{name}", b"x")
        os.removexattr(m / "s", f"user.vault.{name}")
    os.unlink(m / "s/x")
    assert get("state") == "deleted"
    t.server.api("POST", f"secret/destroy/{t.path('s')}", {"versions": [1]})
    m.write(".vault/refresh", "1")
    assert get("state") == "destroyed"
    assert "user.vault.state" not in os.listxattr(m.path)


@test()
def rights(t):
    "a token that may not patch reads and replaces; one that may not read metadata is refused, nothing lost"
    t.put("s", {"x": "1"})
    settings(t, custom_metadata={"keep": "1"})
    p = f"secret/metadata/{t.folder}/*"
    data = {f"secret/data/{t.folder}/*": ["read", "create", "update"]}
    for name, capabilities, result in (("patch", ["patch"], ""), ("post", ["read", "update"], ""),
                                       ("blind", ["update"], "EACCES"), ("none", ["read"], "EACCES")):
        t.server.policy(f"{name}-{t.name}", {**data, p: capabilities})
        m = t.mount(token=t.server.make_token(policies=[f"{name}-{t.name}"]))
        got = error(os.setxattr, m / "s", M + name, b"v")
        assert got == result, (name, got)
        expected = {"keep", "patch", "post"} if name != "patch" else {"keep", "patch"}
        assert set(custom(t)) == expected, name
        m.expect("request failed", "fetch failed")


@test()
def copies_out_do_no_harm(t):
    "cp -a, rsync -X and tar --xattrs out of the mount take values and attributes along, and change nothing"
    t.put("s", {"x": "1", "n": 2})
    settings(t, custom_metadata={"owner": "a"})
    m = t.mount()
    before = t.server.api("GET", f"secret/metadata/{t.path('s')}")["data"]
    t.run("cp", "-a", m / "s", f"{t.root}/cp")
    t.run("tar", "--xattrs", "--xattrs-include=*", "-cf", f"{t.root}/t.tar", "-C", m.path, "s")
    t.shell('command -v rsync >/dev/null || exit 0; rsync -aX "$F/" "$T"', F=m / "s", T=f"{t.root}/rsync")
    assert open(f"{t.root}/cp/x").read() == "1"
    assert t.server.api("GET", f"secret/metadata/{t.path('s')}")["data"] == before


@test()
def copies_in_do_no_harm(t):
    "cp -a, rsync -X and tar --xattrs into the mount go through, and bring along what can be set"
    t.put("s", {"x": "1", "n": 2})
    settings(t, custom_metadata={"owner": "a"})
    m = t.mount()
    t.run("tar", "--xattrs", "--xattrs-include=*", "-cf", f"{t.root}/t.tar", "-C", m.path, "s")
    t.run("cp", "-a", m / "s", m / "copy")
    assert t.get("copy")["x"] == "1" and custom(t, "copy") == {"owner": "a"}
    os.mkdir(m / "tar")
    t.run("tar", "--xattrs", "--xattrs-include=*", "-xf", f"{t.root}/t.tar", "-C", m / "tar")
    m.settle()
    assert t.get("tar/s")["x"] == "1" and custom(t, "tar/s") == {"owner": "a"}
    if t.shell("command -v rsync", check=False)[0] == 0:
        t.run("rsync", "-aX", m / "s/", m / "rsync/")
        m.settle()
        assert t.get("rsync")["x"] == "1" and custom(t, "rsync") == {"owner": "a"}
        with open(f"{t.root}/x", "w") as f:
            f.write("plain")
        t.run("rsync", "-aX", f"{t.root}/x", m / "s/x")
        assert t.get("s")["x"] == "plain"
    assert custom(t) == {"owner": "a"}


@test()
def metadata_before_a_version(t):
    "a directory that was made gets metadata, and then its first field"
    m = t.mount()
    os.mkdir(m / "new")
    os.setxattr(m / "new", M + "owner", b"me")
    assert custom(t, "new") == {"owner": "me"} and os.listdir(m / "new") == []
    m.write("new/f", "1")
    assert t.get("new") == {"f": "1"} and t.version("new") == 1
    assert custom(t, "new") == {"owner": "me"}


main()
