#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tree against hvac, the Python client: five hundred random secrets with odd names and values, written
by one and read by the other, in both directions. VAULTFS_SEED=N makes the same ones again."""

import base64
import json
import os
import random
import time

import packaged
from harness import main, skip, test

MANY = 500
ODD = "aZ09 -_.~!$&'()*+,;=:@?#[]{}|\\\"<>^`%äßΩ漢字🔑é\u0301"
# In names of fields there may be anything; in paths the server wants what can be printed.
ANY = ODD + "\u00a0/\0\n\t\x01\x7f\u2028"
WHOLE = ["", ".", "..", ".vault", "%", "%2F", "%2E", "data.json", "versions", "a/b/c", "-rf", "con", "nul\0", "\n"]


def name(odd, r):
    """Of a path's component: what begins with a letter is neither nothing nor dots."""
    return r.choice("abcXYZ") + "".join(r.choice(odd) for _ in range(r.randrange(12))) + "z"


def field(r):
    return r.choice(WHOLE) if r.random() < 0.2 else "".join(r.choice(ANY) for _ in range(r.randrange(1, 16)))


def text(r):
    kind = r.randrange(8)
    if kind == 0:
        return ""
    if kind == 1:
        return "".join(r.choice(ANY) for _ in range(r.randrange(200))) + r.choice(["", "\n", "\r\n", "\n\n"])
    if kind == 2:
        return r.choice(["true", "null", "42", "[1]", '"x"', "{}", "base64", base64.b64encode(r.randbytes(9)).decode()])
    if kind == 3:
        return "x" * r.randrange(5000, 60000)
    return "".join(r.choice(ODD) for _ in range(r.randrange(40)))


def value(r):
    return text(r) if r.random() < 0.7 else r.choice([
        0, -1, 2 ** 53, 1.5, True, False, None, [], {}, [1, "a", None], {"ü": {"b": [True]}, "": ""}])


def secrets(r, new_field, new_value):
    """{path: {field: value}}; no path is another's folder."""
    return {"/".join([f"{i % 50}{name(ODD, r)}"] * (i % 2) + [f"{i}{name(ODD, r)}"]):
            {new_field(r): new_value(r) for _ in range(r.randrange(1, 5))} for i in range(MANY)}


def escaped(bytes_):
    whole = {"": "%", ".": "%2E", "..": "%2E%2E", ".vault": "%2Evault"}
    return whole.get(bytes_, bytes_.replace("%", "%25").replace("/", "%2F").replace("\0", "%00"))


def in_mount(m, path):
    return m / "/".join(escaped(part) for part in path.split("/"))


class Client:
    def __init__(self, t):
        hvac = packaged.module("hvac")
        if hvac is None:
            skip("no hvac for Python here")
        self.t = t
        self.kv = hvac.Client(url=t.server.address, token=t.server.token).secrets.kv.v2

    def put(self, path, fields):
        self.kv.create_or_update_secret(path=self.t.path(path), secret=fields, mount_point="secret")

    def get(self, path):
        return self.kv.read_secret_version(path=self.t.path(path), mount_point="secret")["data"]["data"]

    def list(self, path):
        return self.kv.list_secrets(path=self.t.path(path), mount_point="secret")["data"]["keys"]


def begin(t):
    seed = int(os.environ.get("VAULTFS_SEED") or time.time())
    t.note(f"VAULTFS_SEED={seed}")
    return random.Random(seed)


def check_listing(client, m):
    keys = client.list("")
    assert len(keys) > MANY / 2
    assert {escaped(k.rstrip("/")) for k in keys} == set(os.listdir(m.path))


@test(seconds=240)
def written_by_hvac(t):
    "500 random secrets that hvac has written are read through the mount, as files and as documents"
    client, r = Client(t), begin(t)
    wanted = secrets(r, field, value)
    for path, fields in wanted.items():
        client.put(path, fields)
    m = t.mount()
    check_listing(client, m)
    for path, fields in wanted.items():
        folder = in_mount(m, path)
        assert sorted(os.listdir(folder)) == sorted(map(escaped, fields)), path
        for f, v in fields.items():
            with open(f"{folder}/{escaped(f)}", "rb") as file:
                got = file.read()
            if isinstance(v, str):
                assert got == v.encode(), (path, f, v, got)
            else:
                assert json.loads(got) == v and b"\n" not in got, (path, f, v, got)
            assert os.stat(f"{folder}/{escaped(f)}").st_size == len(got)
        with open(f"{folder}/.vault/data.json", "rb") as file:
            assert json.load(file) == fields, path


def is_scratch(f, fields):
    """What the mount takes for an editor's own, and what vim tries."""
    return f == "4913" or f.endswith("~") or f.startswith(("#", ".#", ".goutputstream-")) or \
        (f.startswith(".") and (".sw" in f or any(f.startswith(f".{g}.") for g in fields)))


@test(seconds=280)
def read_by_hvac(t):
    "500 random secrets that were written through the mount, as files and as documents, are read by hvac"
    client, r = Client(t), begin(t)
    m = t.mount("negative_ttl=1m")
    # An empty file that was made and never written stays in the mount.
    as_files = secrets(r, field, lambda r: r.randbytes(r.randrange(1, 100)) if r.random() < 0.15 else text(r).encode() or b"x")
    as_documents = dict(list(secrets(r, field, value).items())[::2])
    as_files = dict(list(as_files.items())[1::2])
    assert len(as_files) + len(as_documents) == MANY
    for path, fields in as_files.items():
        folder = in_mount(m, path)
        os.makedirs(folder)
        for f in [f for f in fields if is_scratch(f, fields)]:
            fields[f"field {f}".rstrip("~")] = fields.pop(f)
        for f, v in fields.items():
            with open(f"{folder}/{escaped(f)}", "wb") as file:
                file.write(v)
    for path, fields in as_documents.items():
        folder = in_mount(m, path)
        os.makedirs(folder)
        with open(f"{folder}/.vault/data.json", "w") as file:
            json.dump(fields, file, ensure_ascii=r.random() < 0.5)
    binary = 0
    for path, fields in as_files.items():
        got = client.get(path)
        assert set(got) == set(fields), (path, set(got), set(fields))
        for f, v in fields.items():
            is_text = b"\0" not in v
            try:
                v.decode()
            except UnicodeDecodeError:
                is_text = False
            binary += not is_text
            assert got[f] == (v.decode() if is_text else base64.b64encode(v).decode()), (path, f, v, got[f])
    assert binary > 20
    for path, fields in as_documents.items():
        assert client.get(path) == fields, path
    check_listing(client, m)
    n = t.mount()
    for path, fields in as_files.items():
        for f, v in fields.items():
            with open(f"{in_mount(n, path)}/{escaped(f)}", "rb") as file:
                assert file.read() == v, (path, f)


main()
