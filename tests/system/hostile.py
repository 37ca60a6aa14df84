#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers that are made to cost memory: what is small on the wire stays small in the daemon, whatever it is
sent as."""

import concurrent.futures
import json
import os
import threading

from fake_vault import FakeVault, reply
from harness import main, skip, test
from mount import sanitized

LENGTH = 1 << 20
LIMIT_KB = 64 << 10


def repeated(unit, length=LENGTH):
    return ",".join([unit] * (length // (len(unit) + 1)))


SHAPES = {
    "empty arrays": f"[{repeated('[]')}]",
    "empty objects": f"[{repeated('{}')}]",
    "empty strings": f"[{repeated(chr(34) * 2)}]",
    "an object of empty strings": "{" + ",".join(f'"{i:x}":""' for i in range(LENGTH // 10)) + "}",
    "one name for all": "{" + repeated('"":""') + "}",
    "numbers": f"[{repeated('0')}]",
    "long numbers": f"[{repeated('1' * 60)}]",
    "words": f"[{repeated('null')}]",
    "nested pairs": "[" * 500 + repeated("[[]]") + "]" * 500,
    "deep": "[" * (LENGTH // 2) + "]" * (LENGTH // 2),
    "deep objects": '{"a":' * (LENGTH // 12) + "0" + "}" * (LENGTH // 12),
    "escapes": '"' + "\\u0001" * (LENGTH // 6) + '"',
    "escaped pairs": '"' + "\\ud83d\\ude00" * (LENGTH // 12) + '"',
    "quotes in arrays": "[" + repeated('"' + "\\\"" * 50 + '"') + "]",
    "arrays of strings": f"[{repeated('[' + chr(34) * 2 + ']')}]",
}

METADATA = '{"version":1,"created_time":"2026-01-01T00:00:00Z","deletion_time":"","destroyed":false'
PLACES = {
    "a field": lambda v: f'{{"data":{{"data":{{"f":{v},"g":"1"}},"metadata":{METADATA}}}}}}}',
    "a secret": lambda v: f'{{"data":{{"data":{v},"metadata":{METADATA}}}}}}}',
    "custom metadata": lambda v: f'{{"data":{{"data":{{"g":"1"}},"metadata":{METADATA},"custom_metadata":{v}}}}}}}',
    "an answer": lambda v: v,
    "a list": lambda v: f'{{"data":{{"keys":{v}}}}}',
    "errors": lambda v: f'{{"errors":{v}}}',
}


ALL_KINDS = {("LIST", "metadata"), ("GET", "metadata"), ("GET", "data")}
FEW = ("empty arrays", "an object of empty strings", "numbers", "deep", "escapes")


def touch(m):
    """Everything that asks for the secret, and must answer."""
    for action in (lambda: m.read("s/f"), lambda: os.listdir(m / "s"),
                   lambda: m.read("s/.vault/data.json"), lambda: m.read("s/.vault/metadata.json"),
                   lambda: os.listdir(m / "s/.vault/versions"), lambda: m.write("s/new", "1")):
        try:
            action()
        except OSError:
            pass


def peak(m):
    """What the daemon has had in memory, locked or not, in KiB."""
    return m.memory("VmHWM")


MOUNTING = threading.Lock()


def measure(t, place, value):
    sent = reply(400 if place == "errors" else 200, PLACES[place](value).encode())
    asked = set()

    def answer(method, path, _):
        path = path.split("?")[0].rstrip("/")
        if path.endswith("/s"):
            asked.add((method, path.split("/")[-2]))
            return sent
        return reply(200, {"data": {"keys": ["s"]}})

    fake = FakeVault(answer)
    try:
        with MOUNTING:
            m = t.mount("ttl=0", "max_stale=0", "negative_ttl=0", "timeout=5s", "max_retries=0", "watch=60s",
                        source="/secret", env={"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"}, wait=False)
        m.wait_mounted()
        m.expect("")
        touch(m)
        kb = peak(m)
        m.end()
        # Too many failures stop the requests of a mount. Each kind must have come before that.
        assert asked >= ALL_KINDS, (place, asked)
        return kb
    finally:
        fake.close()


@test(products=(), seconds=400)
def answers(t):
    "a megabyte of any JSON, sent as anything, leaves the daemon below 64 MiB"
    if sanitized():
        skip("a sanitizer has its own memory")
    shapes = SHAPES if os.environ.get("VAULTFS_LONG") else FEW
    # Each in a mount of its own: where too much fails, the daemon does not ask.
    work = [(place, shape) for place in PLACES for shape in shapes]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        peaks = threads.map(lambda w: measure(t, w[0], SHAPES[w[1]]), work)
        rows = sorted(((kb, shape, place) for kb, (place, shape) in zip(peaks, work)), reverse=True)
    for kb, shape, place in rows[:4]:
        t.note(f"{kb} kB: {shape} as {place}")
    assert rows[0][0] < LIMIT_KB, rows[:10]


@test(products=(), seconds=60)
def honest_answers(t):
    "what a server may well hold is read, however many values it is: 100,000 names, 10,000 fields, a megabyte"
    names = [f"{i:x}" for i in range(100000)]
    secrets = {"0": {f"f{i}": str(i % 10) for i in range(10000)}, "1": {"f": "x" * LENGTH}}

    def answer(method, path, _):
        name = path.split("?")[0].rsplit("/", 1)[-1]
        if name in secrets and "/data/" in path:
            return reply(200, f'{{"data":{{"data":{json.dumps(secrets[name])},"metadata":{METADATA}}}}}}}'.encode())
        return reply(200, {"data": {"keys": names}}) if path.split("?")[0].endswith("metadata/") else \
            reply(404, {"errors": []})

    fake = FakeVault(answer)
    try:
        m = t.mount("ttl=1m", "timeout=20s", source="/secret", env={"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"})
        m.expect("")
        assert sorted(os.listdir(m.path)) == sorted(names)
        for name, secret in secrets.items():
            assert json.loads(m.read(f"{name}/.vault/data.json")) == secret
            assert sorted(os.listdir(m / name)) == sorted(secret)
        assert m.read("0/f77") == b"7" and m.read("1/f") == b"x" * LENGTH
        m.end()
    finally:
        fake.close()


@test(products=(), seconds=60)
def a_value_is_text(t):
    "a field of many small values is read whole, as compact JSON, whatever its length"
    value = [[], {}, "\u00e9<>&\"\\/\n\u0001\U0001f511", 1, -0.5, None, True, {"a": [[]]}] * 20000
    text = json.dumps(value).replace("<", "\\u003c").replace("/", "\\/")
    fake = FakeVault(lambda method, path, body: reply(200, f'{{"data":{{"data":{{"f":{text}}},"metadata":{METADATA}}}}}}}'.encode())
                     if "/data/s" in path else reply(200, {"data": {"keys": ["s"]}}) if path.endswith("metadata/?list=true")
                     or method == "LIST" and path.endswith("metadata/") else reply(404, {"errors": []}))
    try:
        m = t.mount("ttl=1m", source="/secret", env={"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"})
        m.expect("")
        want = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        assert m.read("s/f").decode() == want
        assert json.loads(m.read("s/.vault/data.json")) == {"f": value}
        m.end()
    finally:
        fake.close()


@test(products=(), seconds=60)
def a_length_is_no_memory(t):
    "a Content-Length that promises megabytes reserves nothing before they come"
    if sanitized():
        skip("a sanitizer has its own memory")
    done = threading.Event()

    def answer(method, path, body):
        if "/data/" not in path:
            return reply(404, {"errors": []})
        done.wait(20)
        return [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 33000000\r\n\r\n{"]

    fake = FakeVault(answer)
    try:
        m = t.mount("timeout=3s", "max_retries=0", source="/secret",
                    env={"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"})
        m.expect("")
        before = m.memory("VmPeak")
        readers = [threading.Thread(target=m.errno_of, args=(m.read, f"s{i}/f")) for i in range(8)]
        for r in readers:
            r.start()
        done.set()
        for r in readers:
            r.join()
        grown = m.memory("VmPeak") - before
        t.note(f"grown by {grown} kB")
        assert peak(m) < LIMIT_KB
        m.end()
    finally:
        fake.close()


main()
