#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every way to log in, against real servers: that it does, that it does so anew when its token has
died, and what it says when it is refused."""

import json
import os
import socket
import subprocess
import sys
import threading

from fake_aws import FakeContainer, FakeMetadata, FakeSts
from fake_kubernetes import FakeKubernetes
from harness import main, skip, test
from ldap import Ldap, find_slapd
from login import certificate, enable, expect, kill_tokens, mount, no_such_mount, refused, save, serves
from mount import VAULTFS, clean_environment
from proxy import LOSE_ANSWER, PASS, Proxy
from server import Server
from signer import Signer


@test()
def approle(t):
    "approle: its refusals, and being locked out"
    t.put("db", {"x": "1"})
    path = enable(t, "approle")

    def make(name, **more):
        t.server.api("POST", f"auth/{path}/role/{name}", {
            "token_policies": "logins", "token_ttl": "1h", **more})
        role = t.server.api("GET", f"auth/{path}/role/{name}/role-id")["data"]["role_id"]
        secret = t.server.api("POST", f"auth/{path}/role/{name}/secret-id", {})["data"]["secret_id"]
        t.canaries.append(secret)
        return role, secret

    role, secret = make("app")
    base = (f"auth_mount={path}",)
    m = mount(t, *base, VAULT_ROLE_ID=role, VAULT_SECRET_ID=secret)
    serves(t, m, "approle", path=path)
    sentence = "role_id or secret_id refused by"
    expect(refused(t, *base, VAULT_ROLE_ID="wrong", VAULT_SECRET_ID=secret), sentence, "(400 invalid role")
    _, once = make("once", secret_id_num_uses=1)
    once_role = t.server.api("GET", f"auth/{path}/role/once/role-id")["data"]["role_id"]
    mount(t, *base, VAULT_ROLE_ID=once_role, VAULT_SECRET_ID=once)
    expect(refused(t, *base, VAULT_ROLE_ID=once_role, VAULT_SECRET_ID=once), sentence, "(400 ")
    for _ in range(5):
        expect(refused(t, *base, VAULT_ROLE_ID=role, VAULT_SECRET_ID=t.canary()), sentence, "(400 ")
    expect(refused(t, *base, VAULT_ROLE_ID=role, VAULT_SECRET_ID=secret), "locked")
    no_such_mount(t, VAULT_ROLE_ID=role, VAULT_SECRET_ID=secret)


@test()
def approle_without_secret_id(t):
    "approle: a role with bind_secret_id=false needs no secret_id; one that wants it says so"
    t.put("db", {"x": "1"})
    path = enable(t, "approle")
    base = ("auth=approle", f"auth_mount={path}")
    ids = {}
    for name, more in (("bare", {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.0/8"]}),
                       ("usual", {})):
        t.server.api("POST", f"auth/{path}/role/{name}", {
            "token_policies": "logins", "token_ttl": "1h", **more})
        ids[name] = t.server.api("GET", f"auth/{path}/role/{name}/role-id")["data"]["role_id"]
    m = mount(t, *base, VAULT_ROLE_ID=ids["bare"])
    serves(t, m, "approle", path=path)
    m = mount(t, *base, f"role_id_file={save(t, 'role_id', ids['bare'])}")
    assert m.read("db/x") == b"1"
    expect(refused(t, *base, VAULT_ROLE_ID=ids["usual"]), "role_id, with no secret_id",
           "VAULT_SECRET_ID, secret_id_file=FILE", "(400 ")
    # Unasked it is chosen only with both.
    expect(refused(t, f"auth_mount={path}", status=1, VAULT_ROLE_ID=ids["bare"]), "no credentials")


@test()
def wrapped_secret_id(t):
    "approle: a wrapped secret_id is looked at, unwrapped once and remembered; one that is used is told"
    t.put("db", {"x": "1"})
    path = enable(t, "approle")
    for name in ("app", "other"):
        t.server.api("POST", f"auth/{path}/role/{name}", {
            "token_policies": "logins", "token_ttl": "1h"})
    role_id = t.server.api("GET", f"auth/{path}/role/app/role-id")["data"]["role_id"]
    base = (f"auth_mount={path}", f"role_id_file={save(t, 'role_id', role_id)}",
            f"secret_id_file={t.root}/secret_id")

    def wrap(api_path=f"auth/{path}/role/app/secret-id", **body):
        token = t.server.api("POST", api_path, body,
                             headers={"X-Vault-Wrap-TTL": "60s"})["wrap_info"]["token"]
        t.canaries.append(token)
        save(t, "secret_id", token)
        return token

    wrap()
    m = mount(t, *base, "role=app")
    mark = t.server.audit_mark()
    serves(t, m, "approle", path=path)
    assert not t.server.requests_since(mark, "sys/wrapping"), "it was unwrapped before"
    sentence = refused(t, *base)
    expect(sentence, "cannot unwrap the secret_id", "used up or has expired", "somebody else",
           "wrapping token is not valid or does not exist")
    wrap()
    kill_tokens(t, path)
    assert m.read("db/x") == b"1", "a new wrapping in the file is taken up"

    # Not ours: not unwrapped, so that it is still there for whoever looks into it.
    for more, made_by in (((), "sys/wrapping/wrap"),
                          (("role=app",), f"auth/{path}/role/other/secret-id")):
        token = wrap(made_by, **({} if more else {"secret_id": "evil"}))
        expect(refused(t, *base, *more), f"was made by {made_by}", "in the place of ours")
        t.server.api("POST", "sys/wrapping/lookup", {"token": token})
    token = wrap()
    expect(refused(t, *base, "secret_id_wrapped=no"), "role_id or secret_id refused by")
    t.server.api("POST", "sys/wrapping/lookup", {"token": token})
    mount(t, *base, "secret_id_wrapped=yes").end()
    # An answer that is lost: it is not asked for twice, and no alarm.
    proxy = Proxy(t.server)

    def unwraps():
        return [r[1] for r in proxy.requests].count("sys/wrapping/unwrap")

    def lose_first(method, path):
        return LOSE_ANSWER if path == "sys/wrapping/unwrap" and unwraps() == 1 else PASS

    proxy.fate = lose_first
    wrap()
    expect(refused(t, *base, VAULT_ADDR=proxy.address), "cannot unwrap the secret_id",
           "the answer was lost")
    assert unwraps() == 1
    proxy.close()
    save(t, "secret_id", t.canary())
    expect(refused(t, *base, "secret_id_wrapped=yes"), "cannot unwrap the secret_id", "used up")


@test(needs=("openssl",))
def jwt(t):
    "jwt: a file that is read anew at each login, or the environment; and its refusals"
    t.put("db", {"x": "1"})
    signer, stranger = Signer(t.root), Signer(t.root, "stranger")
    path = enable(t, "jwt")
    t.server.api("POST", f"auth/{path}/config",
                 {"jwt_validation_pubkeys": [signer.public], "bound_issuer": "test"})
    t.server.api("POST", f"auth/{path}/role/app", {
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": ["logins"], "token_ttl": "1h"})

    def token(by=signer, seconds=3600, aud="vault"):
        text = by.sign(seconds, iss="test", sub="app", aud=aud)
        t.canaries.append(text)
        return text

    file = save(t, "jwt", token())
    base = ("auth=jwt", f"auth_mount={path}")
    m = mount(t, *base, "role=app", f"jwt_file={file}")
    serves(t, m, "jwt", lambda: save(t, "jwt", token()), path)
    given = token()
    m = mount(t, VAULT_AUTH_METHOD="jwt", VAULT_AUTH_PATH=path, VAULT_AUTH_ROLE="app",
              VAULT_ID_TOKEN=given)
    serves(t, m, "jwt")
    with open(f"/proc/{m.process.pid}/environ", "rb") as f:
        assert given.encode() not in f.read()

    base += (f"jwt_file={file}",)
    expect(refused(t, *base, "role=wrong"), "role wrong or the JWT refused by", t.server.address, 'role "wrong"')
    expect(refused(t, *base), "no role in particular", "refused by", "(400 ")
    save(t, "jwt", token(stranger))
    expect(refused(t, *base, "role=app"), "role app or the JWT refused by", "(400 ")
    save(t, "jwt", token(seconds=-3600))
    expect(refused(t, *base, "role=app"), "refused by", "expired")
    save(t, "jwt", token(aud="another"))
    expect(refused(t, *base, "role=app"), "refused by", "audience")
    save(t, "jwt", "nonsense")
    expect(refused(t, *base, "role=app"), "refused by", "(400 ")
    save(t, "jwt", "")
    expect(refused(t, *base, "role=app"), "JWT", file, "empty")
    expect(refused(t, "auth=jwt", status=1), "VAULT_ID_TOKEN", "jwt_file=")
    expect(refused(t, "auth=jwt", "jwt=x", status=1), "command line", "jwt_file=")
    no_such_mount(t, "auth=jwt", "role=app", f"jwt_file={save(t, 'jwt', token())}")


@test(needs=("openssl",))
def kubernetes(t):
    "kubernetes: the service account's token, that the server has the cluster review; its refusals"
    t.put("db", {"x": "1"})
    cluster = FakeKubernetes(Signer(t.root))
    path = enable(t, "kubernetes")
    t.server.api("POST", f"auth/{path}/config", {
        "kubernetes_host": cluster.address, "token_reviewer_jwt": cluster.account("reviewer"),
        "disable_local_ca_jwt": True, "disable_iss_validation": True,
        "kubernetes_ca_cert": certificate(t, "cluster")})
    t.server.api("POST", f"auth/{path}/role/app", {
        "bound_service_account_names": ["app"], "bound_service_account_namespaces": ["default"],
        "token_policies": ["logins"], "token_ttl": "1h"})
    first, second, other = (cluster.account(n) for n in ("app", "app", "other"))
    t.canaries += [first, second, other]
    base = ("auth=kubernetes", f"auth_mount={path}", f"jwt_file={save(t, 'token', first)}")
    m = mount(t, *base, "role=app")

    def rotate():
        cluster.forget(first)
        save(t, "token", second)

    serves(t, m, "kubernetes", rotate, path)
    expect(refused(t, *base, "role=wrong"), "role wrong or the JWT refused by", "wrong")
    save(t, "token", first)
    expect(refused(t, *base, "role=app"), "cannot log in", "role app")
    save(t, "token", other)
    expect(refused(t, *base, "role=app"), "refused by", "(403 ")
    expect(refused(t, "auth=kubernetes", status=1), "set role=")
    expect(refused(t, "auth=kubernetes", "role=app"),
           "/var/run/secrets/kubernetes.io/serviceaccount/token")
    no_such_mount(t, "auth=kubernetes", "role=app", f"jwt_file={t.root}/token")
    cluster.close()


@test()
def userpass(t):
    "userpass: a password from a file or the environment; its refusals, and being locked out"
    t.put("db", {"x": "1"})
    path = enable(t, "userpass", config={"listing_visibility": "hidden"})
    good, bad = t.canary(), t.canary()
    t.server.api("POST", f"auth/{path}/users/bob",
                 {"password": good, "token_policies": "logins", "token_ttl": "1h"})
    base = ("auth=userpass", f"auth_mount={path}")
    file = save(t, "password", good)
    m = mount(t, *base, "username=bob", f"password_file={file}")
    serves(t, m, "userpass", path=path)
    m = mount(t, *base, VAULT_USERNAME="bob", VAULT_PASSWORD=good)
    serves(t, m, "userpass")
    with open(f"/proc/{m.process.pid}/environ", "rb") as f:
        assert good.encode() not in f.read()

    expect(refused(t, *base, f"password_file={file}", status=1), "username=")
    expect(refused(t, *base, "username=bob", status=1), "VAULT_PASSWORD", "password_file=")
    expect(refused(t, *base, "username=bob", "password=" + "x", status=1), "command line",
           "password_file=")
    expect(refused(t, *base, "username=a/b", f"password_file={file}", status=1), "slash")
    expect(refused(t, *base, "username=nobody", f"password_file={file}"),
           "user nobody or the password refused by", "(400 invalid username or password)")
    no_such_mount(t, "auth=userpass", "username=bob", f"password_file={file}")
    for _ in range(5):
        expect(refused(t, *base, "username=bob", VAULT_PASSWORD=bad),
               "user bob or the password refused by", "(400 invalid username or password)")
    # Now the right one does not help either.
    expect(refused(t, *base, "username=bob", f"password_file={file}"),
           "user bob or the password refused by", "(403 permission denied)", "locked")
    t.finish()  # that takes away the tokens of those that are mounted
    t.server.api("DELETE", f"sys/auth/{path}")
    expect(refused(t, *base, "username=bob", f"password_file={file}"), "cannot log in", path)


@test()
def passwords_with_blanks(t):
    "password_file: blanks at either end count, one line break at the end does not; also by a descriptor"
    t.put("db", {"x": "1"})
    path = enable(t, "userpass")
    base = ("auth=userpass", f"auth_mount={path}", "username=eve")
    for number, password in enumerate((" \t\u00fc \u00a0", "two\n")):
        t.canaries.append(password.strip())
        t.server.api("POST", f"auth/{path}/users/eve",
                     {"password": password, "token_policies": "logins"})
        for end in ("\r\n",) if number else ("\n", ""):
            with open(f"{t.root}/password", "w", newline="") as f:
                f.write(password + end)
            mount(t, *base, f"password_file={t.root}/password").end()
        r, w = os.pipe()
        os.write(w, password.encode() + b"\n")
        os.close(w)
        d = f"{t.root}/by-descriptor{number}"
        os.makedirs(d)
        done = subprocess.run([VAULTFS, "mount", "-o", ",".join(
            ["log=syslog", *base, f"password_file=/dev/fd/{r}"]), "secret", d], pass_fds=(r,),
            env=clean_environment(VAULT_ADDR=t.server.address, HOME=t.root), timeout=60, check=False)
        os.close(r)
        assert done.returncode == 0, done
        subprocess.run([VAULTFS, "umount", d], check=True, timeout=60)


@test()
def ldap(t):
    "ldap: a user of a directory; and its refusals"
    if not find_slapd():
        skip("no slapd here")
    t.put("db", {"x": "1"})
    good, bad = t.canary(), t.canary()
    directory = Ldap(f"{t.root}/ldap", {"ann": good})
    try:
        path = enable(t, "ldap")
        t.server.api("POST", f"auth/{path}/config", {
            "url": directory.address, "userdn": "ou=people,dc=example,dc=test", "userattr": "uid",
            "binddn": "cn=admin,dc=example,dc=test", "bindpass": directory.password,
            "token_policies": "logins"})
        base = ("auth=ldap", f"auth_mount={path}", "username=ann")
        m = mount(t, *base, f"password_file={save(t, 'password', good)}")
        serves(t, m, "ldap", path=path)
        expect(refused(t, *base, VAULT_PASSWORD=bad), "user ann or the password refused by", "(400 ")
        expect(refused(t, "auth=ldap", f"auth_mount={path}", "username=eve", VAULT_PASSWORD=bad),
               "user eve or the password refused by", "(400 ")
        expect(refused(t, "auth=ldap", status=1), "username=")
        for _ in range(4):
            expect(refused(t, *base, VAULT_PASSWORD=bad), "refused by", "(400 ")
        expect(refused(t, *base, VAULT_PASSWORD=good), "(403 permission denied)", "locked")
    finally:
        directory.close()
    expect(refused(t, "auth=ldap", f"auth_mount={path}", "username=joe", VAULT_PASSWORD=good),
           "cannot log in", t.server.address, "onnect")


@test(seconds=120, needs=("openssl",))
def cert(t):
    "cert: the client certificate of the connection; and its refusals"
    server = Server(t.product, f"{t.root}/tls-server", tls=True)
    t.canaries.append(server.token)
    try:
        server.put(t.path("db"), {"x": "1"})
        certificate(t, "stranger")
        path = enable(t, "cert", server=server)
        server.api("POST", f"auth/{path}/certs/app", {
            "certificate": certificate(t, "app"), "token_policies": "logins", "token_ttl": "1h"})
        mine, other = ((f"client_cert={t.root}/{n}.pem", f"client_key={t.root}/{n}.key")
                       for n in ("app", "stranger"))
        base = ("auth=cert", f"auth_mount={path}")
        m = mount(t, *base, *mine, server=server)
        serves(t, m, "cert", path=path, server=server)
        m = mount(t, *base, *mine, "role=app", server=server)
        serves(t, m, "cert")
        expect(refused(t, *base, *other, server=server), "the client certificate refused by",
               "(400 ", "certificate")
        expect(refused(t, *base, *mine, "role=wrong", server=server),
               "role wrong or the client certificate refused by")
        expect(refused(t, *base, server=server, status=1), "client_cert=", "client_key=")
        expect(refused(t, *base, *mine, status=1), "https://")
        no_such_mount(t, "auth=cert", *mine, server=server)
        t.finish()
    finally:
        server.stop()


@test(products=("vault",))
def aws(t):
    "aws: keys from the environment, a file, the instance's metadata, of which the secret stays here"
    t.put("db", {"x": "1"})
    user, session = t.canary("/+="), t.canary("/+=")
    keys = {"AKIAUSER": (user, None, "arn:aws:iam::123456789012:user/app"),
            "ASIASESSION": (session, t.canary("==" * 200),
                            "arn:aws:sts::123456789012:assumed-role/app/i-1"),
            "AKIAOTHER": (t.canary(), None, "arn:aws:iam::123456789012:user/other")}
    sts = FakeSts(keys)
    metadata = FakeMetadata("app", "ASIASESSION", *keys["ASIASESSION"][:2])
    path = enable(t, "aws")
    t.server.api("POST", f"auth/{path}/config/client",
                 {"sts_endpoint": sts.address, "iam_server_id_header_value": "vault.test"})
    for role, arn in (("app", "user/app"), ("role", "role/app")):
        t.server.api("POST", f"auth/{path}/role/{role}", {
            "auth_type": "iam", "bound_iam_principal_arn": f"arn:aws:iam::123456789012:{arn}",
            "resolve_aws_unique_ids": False, "token_policies": "logins", "token_ttl": "1h"})
    nowhere = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}
    by_user = {"AWS_ACCESS_KEY_ID": "AKIAUSER", "AWS_SECRET_ACCESS_KEY": user}
    base = ("auth=aws", f"auth_mount={path}", "aws_server_id=vault.test")

    # The environment.
    m = mount(t, *base, "role=app", **by_user)
    serves(t, m, "aws", path=path)
    assert set(sts.hosts) == {"sts.amazonaws.com"}
    with open(f"/proc/{m.process.pid}/environ", "rb") as f:
        assert user.encode() not in f.read()
    m = mount(t, *base, "aws_region=eu-central-1", **by_user)
    serves(t, m, "aws")
    assert sts.hosts[-1] == "sts.eu-central-1.amazonaws.com"
    m = mount(t, *base, "role=role", AWS_ACCESS_KEY_ID="ASIASESSION",
              AWS_SECRET_ACCESS_KEY=session, AWS_SESSION_TOKEN=keys["ASIASESSION"][1])
    serves(t, m, "aws")

    # The file: its own and the usual one.
    os.mkdir(f"{t.root}/.aws")
    file = save(t, ".aws/credentials", f"[default]\naws_access_key_id = AKIAUSER\n"
                f"aws_secret_access_key = {user}\n[other]\naws_access_key_id=AKIAOTHER\n"
                f"aws_secret_access_key={keys['AKIAOTHER'][0]}")
    m = mount(t, *base, "role=app", HOME=t.root, **nowhere)
    serves(t, m, "aws")
    m = mount(t, *base, "role=app", AWS_SHARED_CREDENTIALS_FILE=file, AWS_PROFILE="default",
              **nowhere)
    serves(t, m, "aws")
    expect(refused(t, *base, "role=app", AWS_PROFILE="other", **nowhere),
           "role app or the AWS identity refused by", "arn:aws:iam::123456789012:user/other")
    os.unlink(file)

    # The instance, past any proxy.
    m = mount(t, *base, "role=role", http_proxy="http://127.0.0.1:1", no_proxy=t.server.address[7:].split(":")[0],
              AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata.address)
    serves(t, m, "aws")
    metadata.role = None
    expect(refused(t, *base, "role=role",
                   AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata.address),
           "no AWS credentials", "AWS_ACCESS_KEY_ID", "/.aws/credentials",
           "knows of no role")
    expect(refused(t, *base, "role=app", **nowhere), "no AWS credentials", "no instance metadata")

    expect(refused(t, *base, "role=wrong", **by_user), "role wrong or the AWS identity refused by",
           "wrong")
    expect(refused(t, *base, "role=app", AWS_ACCESS_KEY_ID="AKIAUSER",
                   AWS_SECRET_ACCESS_KEY=t.canary()),
           "role app or the AWS identity refused by", "403", "signature")
    expect(refused(t, *base[:2], "role=app", **by_user), "refused by", "X-Vault-AWS-IAM-Server-ID")
    expect(refused(t, *base, "aws_region=a/b", status=1, **by_user), "aws_region=a/b")
    expect(refused(t, *base, status=1, AWS_ACCESS_KEY_ID="AKIAUSER"), "AWS_SECRET_ACCESS_KEY")
    for service in (sts, metadata):
        for request in service.requests:
            assert user not in str(request[2]) and session not in str(request[2])
        service.close()


@test(products=("vault",))
def aws_of_workloads(t):
    "aws: keys for a web identity, from STS, and those of a container; each with its refusals"
    t.put("db", {"x": "1"})
    arn = "arn:aws:sts::123456789012:assumed-role/app/i-1"
    keys = {"ASIAWEB": (t.canary("/+"), t.canary("=="), arn),
            "ASIACONT": (t.canary("/+"), t.canary("=="), arn)}
    sts = FakeSts(keys)
    token, jwt = t.canary(), t.canary(".e30.sig")
    container = FakeContainer("/v2/credentials/x?y=1", token, "ASIACONT", *keys["ASIACONT"][:2])
    role = "arn:aws:iam::123456789012:role/path/app"
    sts.identities[jwt, role] = "ASIAWEB"
    path = enable(t, "aws")
    t.server.api("POST", f"auth/{path}/config/client", {"sts_endpoint": sts.address})
    t.server.api("POST", f"auth/{path}/role/app", {
        "auth_type": "iam", "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/app",
        "resolve_aws_unique_ids": False, "token_policies": "logins", "token_ttl": "1h"})
    base = ("auth=aws", f"auth_mount={path}", "role=app")
    file = save(t, "identity", jwt + "\n")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": role,
           "AWS_ENDPOINT_URL_STS": sts.address + "/"}

    # A login anew reads the file anew.
    m = mount(t, *base, **web)
    serves(t, m, "aws", path=path)
    form = [r[3].decode() for r in sts.requests if b"AssumeRole" in r[3]]
    assert len(form) == 2 and "RoleSessionName=vaultfs&" in form[0] and "%3A" in form[0], form
    mount(t, *base, AWS_ROLE_SESSION_NAME="me", **web)
    assert b"RoleSessionName=me&" in [r[3] for r in sts.requests if b"AssumeRole" in r[3]][-1]
    expect(refused(t, *base, **{**web, "AWS_ROLE_ARN": "arn:other"}), "by the web identity",
           "400 Couldn't retrieve verification key")
    expect(refused(t, *base, **{**web, "AWS_ROLE_ARN": ""}), "AWS_ROLE_ARN is not set")
    expect(refused(t, *base, **{**web, "AWS_WEB_IDENTITY_TOKEN_FILE": "/none"}), "cannot read /none")
    expect(refused(t, *base, **{**web, "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"}), "no answer from")
    expect(refused(t, *base, **{**web, "AWS_WEB_IDENTITY_TOKEN_FILE": save(t, "no-jwt", "a b&c")}),
           "holds no JWT")

    # The container's, past any proxy.
    url = f"{container.address}{container.path}"
    shown = save(t, "container-token", token)
    for show in ({"AWS_CONTAINER_AUTHORIZATION_TOKEN": token},
                 {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong",
                  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": shown}):
        m = mount(t, *base, AWS_CONTAINER_CREDENTIALS_FULL_URI=url, **show)
        serves(t, m, "aws", path=path)
        with open(f"/proc/{m.process.pid}/environ", "rb") as f:
            assert token.encode() not in f.read()
    expect(refused(t, *base, AWS_CONTAINER_CREDENTIALS_FULL_URI=url), "from the container", "401")
    expect(refused(t, *base, AWS_CONTAINER_CREDENTIALS_FULL_URI=url + "z",
                   AWS_CONTAINER_AUTHORIZATION_TOKEN=token), "404")
    for wrong in ("http://192.0.2.1/x", "http://127.0.0.1.example/x", "ftp://127.0.0.1/x"):
        expect(refused(t, *base, AWS_CONTAINER_CREDENTIALS_FULL_URI=wrong), "nor of this machine")
    expect(refused(t, *base, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="x"), "is no path")
    for service in (sts, container):
        service.close()


# A network of its own, in which ECS's address is ours: answers once it listens, then runs the rest.
ECS = r"""
import http.server, json, subprocess, sys, threading
keys = json.loads(sys.argv[1])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.path == "/v2/credentials/id"
        self.send_response(200 if good else 404)
        self.end_headers()
        self.wfile.write(json.dumps(keys if good else {}).encode())
    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("169.254.170.2", 80), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.run(sys.argv[2:], timeout=60).returncode)
"""


def forward(path, port):
    """A socket in the file system by which the server is reached from another network."""
    def copy(a, b):
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)

    def accept():
        while True:
            a, _ = listener.accept()
            b = socket.create_connection(("127.0.0.1", port))
            for pair in ((a, b), (b, a)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=accept, daemon=True).start()


@test(products=("vault",), needs=("unshare", "ip"))
def aws_of_ecs(t):
    "aws: a container's keys at AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, on the address that ECS has"
    t.put("db", {"x": "1"})
    keys = {"ASIAECS": (t.canary(), t.canary(), "arn:aws:sts::123456789012:assumed-role/app/i-1")}
    sts = FakeSts(keys)
    path = enable(t, "aws")
    t.server.api("POST", f"auth/{path}/config/client", {"sts_endpoint": sts.address})
    t.server.api("POST", f"auth/{path}/role/app", {
        "auth_type": "iam", "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/app",
        "resolve_aws_unique_ids": False, "token_policies": "logins", "token_ttl": "1h"})
    forward(f"{t.root}/server", t.server.port)
    handed = {"AccessKeyId": "ASIAECS", "SecretAccessKey": keys["ASIAECS"][0],
              "Token": keys["ASIAECS"][1]}
    for uri, status in (("/v2/credentials/id", 0), ("/v2/credentials/other", 2)):
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", 'ip link set lo up && ip address add 169.254.170.2/32 dev lo'
             ' && exec "$@"', "sh", sys.executable, "-c", ECS, json.dumps(handed), VAULTFS, "get",
             "-o", f"auth=aws,auth_mount={path},role=app", f"secret/{t.path('db')}#x"],
            capture_output=True, timeout=90, check=False,
            env=clean_environment(VAULT_ADDR=f"unix://{t.root}/server", HOME=t.root,
                                  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=uri))
        if b"unshare" in done.stderr or b"RTNETLINK" in done.stderr:
            skip(done.stderr.decode())
        assert done.returncode == status, done.stderr
        assert done.stdout == (b"1" if status == 0 else b"")
        assert status == 0 or b"http://169.254.170.2 answers 404" in done.stderr
    sts.close()


main()
