#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vaultfs setup: what it makes works for mounts, and allows them what they need and nothing else."""

import json
import os
import re
import subprocess

from harness import main, test
from mount import VAULTFS, clean_environment
from server import ApiError


def setup(t, *args, status=0, **more):
    done = subprocess.run([VAULTFS, "setup", *args], capture_output=True, timeout=60, check=False,
                          env=clean_environment(**{"VAULT_ADDR": t.server.address, "HOME": t.root,
                                                   "VAULT_TOKEN": t.server.token, **more}))
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, (done.returncode, out, err)
    for canary in t.canaries:
        assert canary not in out + err
    return out if status == 0 else err


def commands(out):
    """{source: (environment, options)} of the mount commands that it has printed."""
    found = {}
    for text in re.findall(r"  mount +(VAULT_ADDR=.*?) DIR\n", out, re.S):
        words = text.replace("\\\n", " ").split()
        env = dict(w.split("=", 1) for w in words if re.match(r"VAULT_[A-Z_]+=", w))
        found[words[-1]] = (env, words[words.index("-o") + 1].split(","))
    return found


def mount_by(t, command, source):
    env, options = command[source]
    t.canaries.append(env["VAULT_SECRET_ID"])
    return t.mount(*options, "negative_ttl=100ms", source=f"/{source}", env=env)


@test(seconds=120)
def from_nothing(t):
    "an engine, policies and roles are made; the mount commands that it prints work; again changes nothing"
    engine = f"kv-{t.name}".replace("_", "-")
    args = ("--app", "shop", "--mount", engine, "--env", "production,staging")
    out = setup(t, *args)
    assert f"engine {engine}: made" in out and "role shop-staging: made" in out
    t.server.put("shop/production/db", {"x": "prod"}, mount=engine)
    t.server.put("shop/staging/db", {"x": "stage"}, mount=engine)
    found = commands(out)
    assert sorted(found) == [f"{engine}/shop/production", f"{engine}/shop/staging"]
    m = mount_by(t, found, f"{engine}/shop/production")
    assert m.read("db/x") == b"prod" and os.listdir(m.path) == ["db"]
    assert m.errno_of(open, m / "db/x", "w") == "EROFS"
    role = t.server.api("GET", "auth/approle/role/shop-production")["data"]
    assert role["token_ttl"] == 3600 and role["token_max_ttl"] == 14400
    assert role["token_policies"] == ["shop-production-read"]
    mark = t.server.audit_mark()
    again = setup(t, *args[:3], f"{engine}/", *args[4:])
    assert "made" not in again and "replaced" not in again and "changed" not in again, again
    writes = [r for r in t.server.requests_since(mark) if r[0] in ("create", "update", "delete")]
    assert [r for r in writes if not r[1].endswith("/secret-id")
            and not r[1].startswith("auth/token/revoke")] == [], writes
    assert "role shop-staging: changed" in setup(t, *args, "--write")
    t.server.api("PUT", "sys/policies/acl/shop-staging-read", {"policy": 'path "x" { capabilities = ["read"] }'})
    assert "policy shop-staging-read: replaced" in setup(t, *args, "--write")


@test()
def secret_id_is_wrapped_once(t):
    "the secret id that is printed is wrapped: it is unwrapped once, and was made for that role"
    out = setup(t, "--app", "wrapped", "--env", "one")
    env, _ = commands(out)["secret/wrapped/one"]
    token = env["VAULT_SECRET_ID"]
    info = t.server.api("POST", "sys/wrapping/lookup", {"token": token})["data"]
    assert info["creation_path"] == "auth/approle/role/wrapped-one/secret-id"
    assert info["creation_ttl"] == 3600
    t.server.api("POST", "sys/wrapping/unwrap", {"token": token})
    try:
        t.server.api("POST", "sys/wrapping/unwrap", {"token": token})
        raise AssertionError("it was unwrapped twice")
    except ApiError:
        pass


@test()
def orphan_tokens(t):
    "--token hands out orphan periodic tokens, by which the mount that is printed works; no AppRole is made"
    t.server.put("orphan/dev/db", {"x": "1"})
    out = setup(t, "--app", "orphan", "--env", "dev", "--token")
    token = re.search(r"^  token +(\S+)$", out, re.M).group(1)
    t.canaries.append(token)
    data = t.server.api("GET", "auth/token/lookup-self", token=token)["data"]
    assert data["orphan"] and data["period"] == data["creation_ttl"] == 168 * 3600 and data["renewable"], data
    assert data["policies"] == ["default", "orphan-dev-read"] and data["display_name"] == "token-orphan-dev"
    assert "AppRole" not in out and "role" not in out
    env, options = commands(out)["secret/orphan/dev"]
    with open(f"{t.root}/token", "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(token)
    m = t.mount(*(f"token_file={t.root}/token" if o == "token_file=FILE" else o for o in options), source="/secret/orphan/dev", env=env)
    assert m.read("db/x") == b"1" and m.errno_of(open, m / "db/x", "w") == "EROFS"
    out = setup(t, "--app", "orphan", "--env", "dev", "--token", "--write")
    token = re.search(r"^  token +(\S+)$", out, re.M).group(1)
    t.canaries.append(token)
    assert t.server.api("GET", "auth/token/lookup-self", token=token)["data"]["policies"] == ["default", "orphan-dev-write"]


@test(seconds=120)
def within_a_namespace(t):
    "--namespace makes it, with those above it, and all else in it; where there are none nothing is made"
    args = ("--app", "spaced", "--env", "dev", "--namespace", "team/one", "--mount", "kv")
    assert "begins with" not in setup(t, "--app", "a", "--namespace", "x y", status=1)
    if t.product == "vault":
        assert "has no namespaces" in setup(t, *args, status=2)
        assert not [e for e in t.server.api("GET", "sys/mounts")["data"] if e == "kv/"]
        return
    out = setup(t, *args)
    assert "namespace team: made" in out and "namespace one: made" in out and "engine kv: made" in out
    t.server.api("POST", "kv/data/spaced/dev/db", {"data": {"x": "inside"}}, headers={"X-Vault-Namespace": "team/one"})
    env, options = commands(out)["kv/spaced/dev"]
    assert env["VAULT_NAMESPACE"] == "team/one"
    t.canaries.append(env["VAULT_SECRET_ID"])
    assert t.mount(*options, source="/kv/spaced/dev", env=env).read("db/x") == b"inside"
    again = setup(t, *args, "--token")
    assert "made" not in again and "VAULT_NAMESPACE=team/one" in again
    inner = setup(t, "--app", "spaced", "--env", "dev", "--namespace", "two", "--mount", "kv", VAULT_NAMESPACE="team")
    assert "namespace two: made" in inner and "VAULT_NAMESPACE=team/two" in inner
    names = t.server.api("GET", "sys/mounts")["data"]
    assert "kv/" not in names, "it is not in the namespace above"


@test()
def audits(t):
    "--audit registers the headers of mounts and makes a file device; where the server takes none it says how"
    file = f"{t.root}/audit.log"
    args = ("--app", "audited", "--env", "dev", "--audit", file)
    assert "begins with /" in setup(t, *args[:4], "--audit", "x.log", status=1)
    bao = t.product == "bao"
    out = setup(t, *args, status=2 if bao else 0)
    headers = {k.lower(): v for k, v in t.server.api("GET", "sys/config/auditing/request-headers")["headers"].items()}
    for name in ("user-agent", "x-correlation-id", "x-vaultfs-caller"):
        assert headers[name] == {"hmac": False}, headers
    if bao:
        assert "cannot enable audit device via API" in out and f'file_path = "{file}"' in out, out
        return
    assert f"audit device vaultfs: made, and writes {file}" in out
    again = setup(t, *args)
    assert "audit device vaultfs: is there" in again and "made" not in again
    assert "is there, and writes" in setup(t, *args[:5], f"{t.root}/other.log", status=2)
    try:
        t.server.api("GET", "sys/mounts", headers={"X-Vaultfs-Caller": "uid=7"})
        with open(file) as f:
            assert any(json.loads(l)["request"].get("headers", {}).get("x-vaultfs-caller") == ["uid=7"] for l in f)
    finally:
        t.server.api("DELETE", "sys/audit/vaultfs")


def allowed(t, token, method, path, body=None):
    """Whether the policy lets it through, whatever comes of it."""
    try:
        t.server.api(method, path, body, token=token,
                     headers={"Content-Type": "application/merge-patch+json"} if method == "PATCH" else None)
    except ApiError as e:
        return e.status != 403
    return True


@test(seconds=120)
def least_privilege(t):
    "each policy allows what it is for, and none reaches beside its path, destroys, or administers"
    setup(t, "--app", "least", "--env", "a,ab")
    base, beside = "least/a", ("least/ab", "least", "other", "least/a2")
    t.server.put(f"{base}/s", {"x": "1"})
    t.server.put(f"{base}/s", {"x": "2"})
    for b in beside:
        t.server.put(f"{b}/s", {"x": "1"})
    tokens = {kind: t.server.make_token(policies=[f"least-a-{kind}"]) for kind in ("read", "write")}
    calls = [  # what, method, path, body, who may
        ("read", "GET", "secret/data/{}/s", None, "read write"),
        ("old", "GET", "secret/data/{}/s?version=1", None, "read write"),
        ("list", "GET", "secret/metadata/{}/?list=true", None, "read write"),
        ("meta", "GET", "secret/metadata/{}/s", None, "read write"),
        ("write", "POST", "secret/data/{}/s", {"data": {"x": "3"}}, "write"),
        ("create", "POST", "secret/data/{}/new", {"data": {"x": "3"}}, "write"),
        ("patch", "PATCH", "secret/data/{}/s", {"data": {"y": "4"}}, "write"),
        ("custom", "POST", "secret/metadata/{}/s", {"custom_metadata": {"k": "v"}}, "write"),
        ("custom patch", "PATCH", "secret/metadata/{}/s", {"custom_metadata": {"k": None, "l": "v"}}, "write"),
        ("custom new", "POST", "secret/metadata/{}/bare", {"custom_metadata": {"k": "v"}, "cas_required": False}, "write"),
        *((f"{m} {p}", m, "secret/metadata/{}/" + s, {**more, p: v}, "") for m, s in (
            ("POST", "s"), ("PATCH", "s"), ("POST", "bare2")) for p, v in (
            ("max_versions", 1), ("delete_version_after", "1s")) for more in ({}, {"custom_metadata": {"k": "v"}})),
        ("delete", "POST", "secret/delete/{}/s", {"versions": [1]}, "write"),
        ("undelete", "POST", "secret/undelete/{}/s", {"versions": [1]}, "write"),
        ("delete latest", "DELETE", "secret/data/{}/s", None, ""),
        ("destroy", "POST", "secret/destroy/{}/s", {"versions": [1]}, ""),
        ("purge", "DELETE", "secret/metadata/{}/s", None, "")]
    for kind, token in tokens.items():
        for what, method, path, body, who in calls:
            got = allowed(t, token, method, path.format(base), body)
            assert got == (kind in who.split()), (kind, what, got)
            for b in beside:
                assert not allowed(t, token, method, path.format(b), body), (kind, what, b)
        for method, path, body in (("GET", "secret/config", None), ("GET", "sys/mounts", None),
                                   ("GET", "secret/metadata/?list=true", None),
                                   ("PUT", "sys/policies/acl/x", {"policy": ""}),
                                   ("GET", "auth/approle/role/least-a", None),
                                   ("POST", "auth/token/create", {})):
            assert not allowed(t, token, method, path, body), (kind, path)


@test(seconds=120)
def writing_mount_needs_no_more(t):
    "with --write a mount does all that it does: write, rename, remove, bring back, mark, list; but not destroy"
    found = commands(setup(t, "--app", "writer", "--env", "dev", "--write"))
    assert "ro" not in found["secret/writer/dev"][1]
    m = mount_by(t, found, "secret/writer/dev")
    m.expect("EACCES|request failed|fetch failed")
    os.mkdir(m / "db")
    m.write("db/user", "app")
    m.write("db/password", "one")
    m.write("db/password", "two")
    m.write("db/raw", b"\xff\x00\xfe")
    assert m.read("db/raw") == b"\xff\x00\xfe"
    os.rename(m / "db/user", m / "db/login")
    os.remove(m / "db/raw")
    os.setxattr(m / "db", "user.vault.meta.owner", b"me")
    assert m.errno_of(os.setxattr, m / "db", "user.vault.max_versions", b"1") == "EACCES"
    assert m.errno_of(os.setxattr, m / "db", "user.vault.delete_version_after", b"1s") == "EACCES"
    assert t.server.api("GET", "secret/metadata/writer/dev/db")["data"]["custom_metadata"]["owner"] == "me"
    assert m.read("db/.vault/versions/2/password") == b"one"
    m.write("db/.vault/version", "2")
    assert m.read("db/password") == b"one" and sorted(os.listdir(m / "db")) == ["password", "user"]
    os.makedirs(m / "deep/er")
    m.write("deep/er/x", "1")
    assert t.server.get("writer/dev/deep/er") == {"x": "1"}
    t.shell('rm -r "$P"', P=m / "deep/er")
    m.settle()
    assert t.server.versions("writer/dev/deep/er")[1]["deletion_time"]
    t.shell('for f in a b c; do echo $f > "$P/$f"; done; cat "$P/a" "$P/b" >/dev/null; ls -lR "$P"', P=m / "db")
    token = json.loads(m.read(".vault/status.json"))["token"]
    assert token["policies"] == ["default", "writer-dev-write"]


@test()
def dry_runs(t):
    "--dry-run prints the calls, and those are all that it makes; --print-policies the HCL; no server is asked"
    nowhere = {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "none"}
    out = setup(t, "--app", "dry", "--mount", "kv-dry", "--env", "one", "--dry-run", **nowhere)
    lines = out.splitlines()
    assert [line.split(" ")[:2] for line in lines] == [
        ["POST", "/v1/sys/mounts/kv-dry"], ["PUT", "/v1/sys/policies/acl/dry-one-read"],
        ["PUT", "/v1/sys/policies/acl/dry-one-write"], ["POST", "/v1/sys/auth/approle"],
        ["POST", "/v1/auth/approle/role/dry-one"], ["GET", "/v1/auth/approle/role/dry-one/role-id"],
        ["POST", "/v1/auth/approle/role/dry-one/secret-id"]]
    for line in lines[:5]:  # made by hand, they are what it makes
        method, path, body = line.split("    #")[0].split(" ", 2)
        try:
            t.server.api(method, path[len("/v1/"):], json.loads(body))
        except ApiError as e:
            assert "already in use" in str(e), e
    again = setup(t, "--app", "dry", "--mount", "kv-dry", "--env", "one")
    assert "made" not in again and "replaced" not in again and "changed" not in again, again
    hcl = setup(t, "--app", "dry", "--mount", "kv-dry", "--env", "one", "--print-policies", **nowhere)
    for name in ("read", "write"):
        policy = t.server.api("GET", f"sys/policies/acl/dry-one-{name}")["data"]["policy"]
        assert f"# dry-one-{name}\n{policy}\n" in hcl
    lines = setup(t, "--app", "dry", "--env", "one", "--namespace", "a/b", "--token", "--audit", "/x", "--dry-run", **nowhere).splitlines()
    assert [line.split(" ")[:2] for line in lines] == [
        *(["PUT", f"/v1/sys/config/auditing/request-headers/{h}"] for h in ("User-Agent", "X-Correlation-Id", "X-Vaultfs-Caller")),
        ["PUT", "/v1/sys/audit/vaultfs"], ["POST", "/v1/sys/namespaces/a"], ["POST", "/v1/a/sys/namespaces/b"],
        ["POST", "/v1/a/b/sys/mounts/secret"], ["PUT", "/v1/a/b/sys/policies/acl/dry-one-read"],
        ["PUT", "/v1/a/b/sys/policies/acl/dry-one-write"], ["POST", "/v1/a/b/auth/token/create-orphan"]]
    three = setup(t, "--app", "x", "--dry-run", **nowhere)
    assert all(f"role/x-{e} " in three for e in ("development", "staging", "production"))


@test()
def setup_refuses(t):
    "names that the server would change, an engine of version 1, and a token that may not, are refused"
    for args, sentence in (((), "--app"), (("--app", "Shop"), "a to z"), (("--app", "a/b"), "a to z"),
                           (("--app", "a", "--env", "x,,y"), "commas"), (("--app", "a", "--env", ""), "commas"),
                           (("--app", "a", "--env", "b-c"), "no - in the name"),
                           (("--app", "a", "--env", "x,y,x"), "x is there twice"),
                           (("--app", "a", "--mount", "x y"), "no path")):
        assert sentence in setup(t, *args, status=1), args
    t.server.api("POST", "sys/mounts/kv-one", {"type": "kv", "options": {"version": "1"}})
    assert "version 2 is needed" in setup(t, "--app", "a", "--mount", "kv-one", status=2)
    token = t.server.make_token(policies=["default"])
    assert "permission denied" in setup(t, "--app", "a", status=2, VAULT_TOKEN=token)
    assert not [p for p in t.server.api("GET", "sys/policies/acl?list=true")["data"]["keys"]
                if p.startswith("a-")]


main()
