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
def flags(t):
    "setxattr(2) makes a new key, or replaces one, where it is told to do just that"
    t.put("s", {"x": "1"})
    m = t.mount()
    assert error(os.setxattr, m / "s", M + "k", b"1", os.XATTR_REPLACE) == "ENODATA"
    os.setxattr(m / "s", M + "k", b"1", os.XATTR_CREATE)
    assert error(os.setxattr, m / "s", M + "k", b"2", os.XATTR_CREATE) == "EEXIST"
    assert os.getxattr(m / "s", M + "k") == b"1"
    os.setxattr(m / "s", M + "k", b"2", os.XATTR_REPLACE)
    assert os.getxattr(m / "s", M + "k") == b"2"


@test()
def back_to_zero(t):
    "delete_version_after taken back to 0 is 0 at the server, by attribute and by metadata.json"
    t.put("s", {"x": "1"})
    m = t.mount()
    held = lambda: t.server.api("GET", f"secret/metadata/{t.path('s')}")["data"]["delete_version_after"]
    for zero in ("0s", "0", "0h0m0s"):
        os.setxattr(m / "s", M + "owner", b"me")
        os.setxattr(m / "s", "user.vault.delete_version_after", b"1h")
        assert held() == "1h0m0s"
        os.setxattr(m / "s", "user.vault.delete_version_after", zero.encode())
        assert held() == "0s", zero
    os.setxattr(m / "s", "user.vault.delete_version_after", b"1h")
    m.write("s/.vault/metadata.json", json.dumps({"delete_version_after": "0s", "max_versions": 5,
                                                  "custom_metadata": {"owner": "them", "new": "1"}}))
    assert held() == "0s" and custom(t) == {"owner": "them", "new": "1"}


@test(products=("vault", "bao"))
def back_to_zero_by_patch_alone(t):
    "a token that may only patch metadata is told where the server leaves delete_version_after as it was"
    t.put("s", {"x": "1"})
    name = f"patch-{t.name}"
    t.server.policy(name, {f"secret/data/{t.folder}/*": ["create", "read", "update"],
                           f"secret/metadata/{t.folder}/*": ["read", "list", "patch"]})
    settings(t, delete_version_after="1h")
    m = t.mount(token=t.server.make_token(policies=[name]))
    m.expect("EACCES")
    code = error(os.setxattr, m / "s", "user.vault.delete_version_after", b"0s")
    held = t.server.api("GET", f"secret/metadata/{t.path('s')}")["data"]["delete_version_after"]
    assert (code, held) in (("", "0s"), ("EACCES", "1h0m0s")), (code, held)


@test()
def other_users(t):
    "who may not read a secret is not told of its custom metadata"
    t.put("s", {"x": "1"})
    for path in (t.root, os.path.dirname(t.root)):
        os.chmod(path, 0o755)
    m = t.mount("allow_other", "uid=61000", "gid=61000", "mode=0640", "dir_mode=0751")
    os.setxattr(m / "s", M + "owner", b"me")
    look = """import os, sys
os.setgroups([])
os.setgid(60000)
os.setuid(int(sys.argv[1]))
print([n for n in os.listxattr(sys.argv[2]) if n.startswith("user.vault.meta")])
try:
    print(os.getxattr(sys.argv[2], "user.vault.meta.owner"))
except OSError as e:
    print(e.strerror)"""
    _, out, _ = t.run("python3", "-c", look, "61000", m / "s")
    assert out == b"['user.vault.meta.owner']\nb'me'\n", out
    _, out, _ = t.run("python3", "-c", look, "65534", m / "s")
    assert out == b"[]\nPermission denied\n", out


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
    assert get("source") == ("local" if t.product == "local" else "server")
    assert get("state") == "live" and int(get("age")) < 60
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


def document(t, m, name="s"):
    return json.loads(m.read(f"{name}/.vault/metadata.json"))


def changes_since(t, mark):
    """What was asked of the server that is not reading."""
    return [r for r in t.server.requests_since(mark, "secret/") if r[0] not in ("read", "list")]


@test()
def metadata_as_a_document(t):
    "metadata.json that is written sets what differs, by one request, however it is written"
    t.put("s", {"x": "1"})
    settings(t, custom_metadata={"a": "1", "b": "2"}, max_versions=5)
    m = t.mount()
    path = m / "s/.vault/metadata.json"
    d = document(t, m)
    d["custom_metadata"] = {"b": "2", "c": "n\u00e4w"}
    d.update(max_versions=7, cas_required=True, delete_version_after="90m")
    with open(f"{t.root}/doc", "w") as f:
        json.dump(d, f)
    mark = t.server.audit_mark()
    t.run("cp", f"{t.root}/doc", path)
    assert len(changes_since(t, mark)) == 1, changes_since(t, mark)
    data = t.server.api("GET", f"secret/metadata/{t.path('s')}")["data"]
    assert data["custom_metadata"] == {"b": "2", "c": "n\u00e4w"}
    assert (data["max_versions"], data["cas_required"], data["delete_version_after"]) == (7, True, "1h30m0s")
    assert document(t, m) == data and t.version("s") == 1
    assert os.getxattr(m / "s", M + "c") == "n\u00e4w".encode()
    t.run("sed", "-i", 's/"max_versions":\\s*7/"max_versions": 8/', path)
    assert document(t, m)["max_versions"] == 8
    t.shell("""printf '%s\n' '/n.*w"/s//other"/' w q | ed -s "$P" """, P=path)
    assert custom(t) == {"b": "2", "c": "other"}
    t.shell("""vi -u NONE -es -c '%s/other/vim/' -c 'wq' "$P" """, P=path)
    assert custom(t)["c"] == "vim"
    t.shell("""jq '.custom_metadata.c = "jq"' "$P" > "$R/new" && cat "$R/new" > "$P" """, P=path, R=t.root)
    assert custom(t)["c"] == "jq"
    t.shell("""echo '{"cas_required": false}' > "$P" """, P=path)
    assert document(t, m)["cas_required"] is False and custom(t) == {"b": "2", "c": "jq"}
    t.shell("""echo '{"custom_metadata": null}' > "$P" """, P=path)
    assert custom(t) == {} and document(t, m)["max_versions"] == 8
    assert t.version("s") == 1


@test()
def a_document_unchanged(t):
    "metadata.json that is written as it was changes nothing, and asks for nothing to be changed"
    t.put("s", {"x": "1"})
    settings(t, custom_metadata={"a": "1"})
    m = t.mount()
    text = m.read("s/.vault/metadata.json")
    mark = t.server.audit_mark()
    m.write("s/.vault/metadata.json", text)
    m.write("s/.vault/metadata.json", json.dumps(json.loads(text), indent=7))
    m.write("s/.vault/metadata.json", b"{}")
    with open(m / "s/.vault/metadata.json", "r+b") as f:
        assert f.read() == text
        f.seek(0)
        f.write(text)
    assert changes_since(t, mark) == [] and m.read("s/.vault/metadata.json") == text


@test()
def what_cannot_be_set(t):
    "what in metadata.json cannot be set, or not so, is EINVAL with the reason in errors, and nothing is done"
    t.put("s", {"x": "1"})
    settings(t, custom_metadata={"a": "1"})
    m = t.mount()
    os.mkdir(m / "bin")
    m.write("bin/key", b"\xff\x00")
    mark_key = next(iter(custom(t, "bin")))
    mark = t.server.audit_mark()
    many = {f"k{i}": "v" for i in range(65)}
    for change, reason, name in (
            ({"current_version": 9}, "current_version cannot be set", "EINVAL"),
            ({"created_time": "2020-01-01T00:00:00Z"}, "created_time cannot be set", "EINVAL"),
            ({"versions": {}}, "versions cannot be set", "EINVAL"),
            ({"new": 1}, "new cannot be set", "EINVAL"),
            ({"max_versions": -1}, "max_versions is a whole number", "EINVAL"),
            ({"max_versions": 1.5}, "max_versions is a whole number", "EINVAL"),
            ({"max_versions": 2 ** 32}, "max_versions is a whole number", "EINVAL"),
            ({"max_versions": None}, "max_versions is a whole number", "EINVAL"),
            ({"cas_required": "yes"}, "cas_required is true or false", "EINVAL"),
            ({"delete_version_after": ""}, "delete_version_after is a time", "EINVAL"),
            ({"custom_metadata": ["a"]}, "custom_metadata is an object", "EINVAL"),
            ({"custom_metadata": {"a": 1}}, "the value of a is no text", "EINVAL"),
            ({"custom_metadata": {"a": "1\n"}}, "printable", "EINVAL"),
            ({"custom_metadata": {"a": ""}}, "cannot be empty", "EINVAL"),
            ({"custom_metadata": {"k" * 129: "v"}}, "1 to 128 bytes", "ENAMETOOLONG"),
            ({"custom_metadata": {"a": "v" * 513}}, "at most 512 bytes", "E2BIG"),
            ({"custom_metadata": many}, "at most 64 keys", "ENOSPC"),
            ({"custom_metadata": {"a": "2", mark_key: "1"}}, f"{mark_key} cannot be set", "EINVAL"),
            ({"max_versions": 3, "current_version": 9}, "current_version cannot be set", "EINVAL")):
        text = json.dumps({**document(t, m), **change})
        assert m.errno_of(m.write, "s/.vault/metadata.json", text) == name, change
        assert reason in m.read(".vault/errors").decode().splitlines()[-1], reason
    for text, reason in (("{", "line 1, column 2"), ("[]", "not an object"), (" ", "line 1, column 2"),
                         ('{"max_versions": 1,\n"max_versions": 2}', "line 2, column 1")):
        f = os.open(m / "s/.vault/metadata.json", os.O_WRONLY | os.O_TRUNC)
        os.write(f, text.encode())
        assert error(os.fsync, f) == error(os.close, f) == "EINVAL", text
        assert reason in m.read(".vault/errors").decode().splitlines()[-1], (reason, text)
    assert error(os.truncate, m / "s/.vault/metadata.json", 3) == "EINVAL"
    assert changes_since(t, mark) == [] and custom(t) == {"a": "1"}
    m.write("bin/.vault/metadata.json", json.dumps({"custom_metadata": {"a": "1"}}))
    assert custom(t, "bin") == {"a": "1", mark_key: custom(t, "bin")[mark_key]}
    assert m.read("bin/key") == b"\xff\x00"
    assert error(os.unlink, m / "s/.vault/metadata.json") and error(os.stat, m / "s/.vault/metadata.json") == ""
    m.expect("request failed")


@test()
def what_others_set_meanwhile(t):
    "what others have set while metadata.json was open is kept, where it is not the same"
    t.put("s", {"x": "1"})
    settings(t, custom_metadata={"a": "1", "b": "1"})
    m = t.mount()
    with open(m / "s/.vault/metadata.json", "r+") as f:
        d = json.load(f)
        settings(t, custom_metadata={"a": "1", "b": "theirs", "c": "theirs"}, max_versions=9)
        d["custom_metadata"]["a"] = "mine"
        f.seek(0)
        f.truncate()
        json.dump(d, f)
        f.flush()
        os.fsync(f.fileno())
        assert custom(t) == {"a": "mine", "b": "theirs", "c": "theirs"}
        f.seek(0)
        f.truncate()
        f.write(json.dumps({"custom_metadata": {"a": "again"}}))
    assert custom(t) == {"a": "again"} and document(t, m)["max_versions"] == 9


@test()
def rights_on_the_document(t):
    "a token without rights on metadata cannot open metadata.json, one that may only read it cannot set it"
    t.put("s", {"x": "1"})
    settings(t, custom_metadata={"a": "1"})
    p, data = f"secret/metadata/{t.folder}/*", {f"secret/data/{t.folder}/*": ["read", "create", "update"]}
    text = json.dumps({"custom_metadata": {"a": "2"}})
    for name, rules, opens, writes in (("m0", data, "EACCES", "EACCES"),
                                       ("m1", {**data, p: ["read"]}, "", "EACCES"),
                                       ("m2", {p: ["read", "update"]}, "", ""),
                                       ("m3", {p: ["read", "patch", "list"]}, "", "")):
        t.server.policy(f"{name}-{t.name}", rules)
        settings(t, custom_metadata={"a": "1"})
        m = t.mount(token=t.server.make_token(policies=[f"{name}-{t.name}"]))
        m.expect("request failed", "fetch failed")
        assert error(lambda: os.close(os.open(m / "s/.vault/metadata.json", os.O_WRONLY))) == opens, name
        assert error(m.write, "s/.vault/metadata.json", text) == writes, name
        assert custom(t) == {"a": "1" if writes else "2"}, name
    ro = t.mount("ro")
    assert error(ro.write, "s/.vault/metadata.json", text) == "EROFS"


main(local=True)
