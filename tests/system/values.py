#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Values: JSON types that are kept and set, bytes that are no text, newlines, the longest one."""

import base64
import os

from harness import main, test
from proxy import Proxy

BINARY = {"high": b"\xff\xfe\x00\x01", "nul": b"a\0b", "latin1": "caf\xe9".encode("latin1"),
          "one": b"\0", "all": bytes(range(256)), "cut": "€".encode()[:2], "surrogate": b"\xed\xa0\x80",
          "overlong": b"\xc0\xaf", "der": b"\x30\x82" + os.urandom(3000), "newline": b"\xff\n"}


def kind(m, name, new=None):
    """The JSON type of a field, or sets it."""
    if new is None:
        return os.getxattr(m / name, "user.vault.type").decode()
    os.setxattr(m / name, "user.vault.type", new.encode())
    return None


def marks(t, name):
    data = t.server.api("GET", f"secret/metadata/{t.path(name)}")["data"]
    return {k: v for k, v in (data["custom_metadata"] or {}).items() if k.startswith("vaultfs.b64.")}


@test()
def types_are_kept(t):
    "what is no string stays of its type while what is written is of that, and else is a string"
    cases = {  # before, what is written, after
        "number": (1, "42", 42), "point": (1, "-2.5", -2.5), "exp": (1, "1e3", 1000 if t.product == "local" else "1e3"),
        "newline": (1, "42\n", 42), "octal": (1, "0644", "0644"),
        "words": (1, "forty-two", "forty-two"), "empty": (1, "", ""), "number-bool": (1, "true", "true"),
        "bool": (True, "false", False), "bool-one": (True, "1", "1"), "bool-yes": (True, "yes", "yes"),
        "null": (None, "null", None), "null-x": (None, "x", "x"), "null-nl": (None, "null\n", None),
        "object": ({"a": 1}, '{"b": [1, null]}', {"b": [1, None]}), "object-bad": ({}, "{", "{"),
        "object-array": ({}, "[]", "[]"), "array": ([1], '["x", {}]\n', ["x", {}]),
        "array-two": ([], "[1][2]", "[1][2]"), "string": ("x", "42", "42"),
        "string-t": ("x", "true", "true"), "string-o": ("x", '{"a": 1}', '{"a": 1}'), "string-null": ("x", "null", "null"),
    }
    t.put("s", {name: before for name, (before, _, _) in cases.items()})
    t.server.api("POST", f"secret/metadata/{t.path('s')}", {"max_versions": 99})
    m = t.mount()
    for name, (_, text, _) in cases.items():
        t.shell('printf %s "$V" > "$F"', V=text, F=m / f"s/{name}")
        m.settle()
    got = t.get("s")
    if t.product == "local":
        got["exp"] = int(got["exp"])  # its text is kept, "1e3"
    wrong = {name: (got[name], after) for name, (_, _, after) in cases.items()
             if got[name] != after or type(got[name]) is not type(after)}
    assert not wrong, wrong
    assert m.read("s/newline") == b"42"
    assert m.read("s/object") == b'{"b":[1,null]}' and m.read("s/null") == b"null"


@test()
def types_by_attribute(t):
    "user.vault.type tells a field's type and sets it"
    t.put("s", {"s": "x", "n": 1.5, "b": True, "z": None, "o": {}, "a": [1],
                "text": "42", "json": '{"a": 1}'})
    m = t.mount()
    assert [kind(m, f"s/{n}") for n in "snbzoa"] == [
        "string", "number", "boolean", "null", "object", "array"]
    assert "user.vault.type" in os.listxattr(m / "s/n")
    kind(m, "s/text", "number")
    assert t.get("s")["text"] == 42 and kind(m, "s/text") == "number" and t.version("s") == 2
    kind(m, "s/json", "object")
    assert t.get("s")["json"] == {"a": 1}
    kind(m, "s/n", "string")
    assert t.get("s")["n"] == "1.5" and m.read("s/n") == b"1.5"
    t.run("setfattr", "-n", "user.vault.type", "-v", "string", m / "s/o")
    assert t.get("s")["o"] == "{}"
    version = t.version("s")
    for name, new in (("s", "number"), ("s", "boolean"), ("s", "object"), ("a", "object"),
                      ("b", "null"), ("s", "integer"), ("s", ""), ("n", "array")):
        assert m.errno_of(kind, m, f"s/{name}", new) == "EINVAL", (name, new)
    assert t.version("s") == version
    m.expect("EINVAL")
    m.write("s/text", "43")
    assert t.get("s")["text"] == 43
    t.run("cp", "-a", m / "s/text", t.root)


@test()
def not_text(t):
    "bytes that are no text are base64 at the server, marked, and read as they were written"
    t.put("s", {"text": "plain"})
    m = t.mount()
    for name, value in BINARY.items():
        m.write(f"s/{name}", value)
        assert m.read(f"s/{name}") == value, name
        assert os.stat(m / f"s/{name}").st_size == len(value)
    held = t.get("s")
    for name, value in BINARY.items():
        assert held[name] == base64.b64encode(value).decode(), name
    assert held["text"] == "plain" and len(marks(t, "s")) == len(BINARY)
    n = t.mount()  # which was not there when it was written
    for name, value in BINARY.items():
        assert n.read(f"s/{name}") == value, name
        assert n.read(f"s/{name}") == value
    t.run("cp", n / "s/der", f"{t.root}/der")
    with open(f"{t.root}/der", "rb") as f:
        assert f.read() == BINARY["der"]


@test()
def the_mark_is_first(t):
    "the mark is in custom metadata before the value is written, with what others keep there"
    t.put("s", {"f": "text"})
    t.server.api("POST", f"secret/metadata/{t.path('s')}",
                 {"custom_metadata": {"owner": "them"}, "max_versions": 7})
    m = t.mount()
    mark = t.server.audit_mark()
    m.write("s/f", b"\xff")
    writes = [p.split("/")[1] for op, p in t.server.requests_since(mark, "secret/")
              if op in ("create", "update", "patch")]
    assert writes == ["metadata", "data"], writes
    data = t.server.api("GET", f"secret/metadata/{t.path('s')}")["data"]
    assert data["custom_metadata"].pop("owner") == "them" and len(data["custom_metadata"]) == 1
    assert data["max_versions"] == 7 and data["current_version"] == 2
    mark = t.server.audit_mark()
    m.write("s/f", b"\xfe")  # it is marked already
    assert not [1 for op, p in t.server.requests_since(mark, "secret/metadata/") if op != "read" and
                op != "list"]
    assert m.read("s/f") == b"\xfe" and t.get("s")["f"] == "/g=="
    os.mkdir(m / "new")
    m.write("new/f", b"\xff\0")
    assert m.read("new/f") == b"\xff\0" and t.get("new") == {"f": "/wA="} and t.version("new") == 1


@test()
def text_again(t):
    "a marked field that is text again is stored as text, and what looks like base64 is not decoded"
    t.put("s", {"f": "x", "foreign": "AAAA", "word": "password"})
    m = t.mount()
    m.write("s/f", b"\0")
    m.write("s/f", "text")
    assert t.get("s")["f"] == "text" and m.read("s/f") == b"text"
    for value in (b"AAAA", b"/w==", b"password", b"", b"AA==\n"):
        m.write("s/f", value)
        m.settle()
        assert m.read("s/f") == value, value
        n = t.mount()
        assert n.read("s/f") == value, value
        n.end()
    assert m.read("s/foreign") == b"AAAA" and m.read("s/word") == b"password"


@test()
def foreign_writers(t):
    "a marked field survives others' writes of other fields, and is theirs when they write it"
    t.put("s", {"f": "x", "other": "1"})
    m = t.mount("ttl=0")
    m.write("s/f", b"\xff\0\xff")
    t.put("s", {**t.get("s"), "other": "2"})
    assert m.read("s/f") == b"\xff\0\xff" and m.read("s/other") == b"2"
    for value in ("no base64!", "QQ", "/wA", "/w==x", "not canonical/x==", "{}"):
        t.put("s", {"f": value, "other": "3"})
        assert m.read("s/f") == value.encode(), value
    # Base64 of what is text would not have been written by us.
    t.put("s", {"f": base64.b64encode(b"hello").decode(), "other": "3"})
    assert m.read("s/f") == base64.b64encode(b"hello")
    t.put("s", {"f": 42, "other": "3"})
    assert m.read("s/f") == b"42"


@test()
def moved_and_appended(t):
    "renamed, appended to, moved to another secret and copied, binary values stay what they are"
    t.put("s", {"keep": "k"})
    t.put("o", {"keep": "k"})
    m = t.mount()
    value = b"\xff\0\n\xfe"
    m.write("s/f", value)
    with open(m / "s/f", "ab") as f:
        f.write(b"\x80")
    os.rename(m / "s/f", m / "s/g")
    assert m.read("s/g") == value + b"\x80"
    os.rename(m / "s/g", m / "o/h")
    t.run("cp", m / "o/h", m / "s/copy")
    for reader in (m, t.mount()):
        assert reader.read("o/h") == reader.read("s/copy") == value + b"\x80"
        assert sorted(os.listdir(reader / "s")) == ["copy", "keep"]
    with open(m / "o/h", "r+b") as f:
        f.write(b"\x01")
    assert m.read("o/h") == b"\x01" + value[1:] + b"\x80"
    os.unlink(m / "o/h")
    assert t.get("o") == {"keep": "k"}


@test()
def seen_as_data(t):
    "data.json shows base64 as the server has it, and written back it is the same value"
    t.put("s", {"f": "x"})
    m = t.mount()
    m.write("s/f", b"\xff\0")
    text = m.read("s/.vault/data.json")
    assert b'"/wA="' in text
    m.write("s/.vault/data.json", text)
    assert m.read("s/f") == b"\xff\0" and t.get("s") == {"f": "/wA="}


@test()
def no_right_to_mark(t):
    "where the mark is refused the write is EACCES, and nothing is written; text goes on being written"
    t.put("s", {"f": "1"})
    name = f"data-{t.name}"
    t.server.policy(name, {f"secret/data/{t.folder}/*": ["create", "read", "update"],
                           f"secret/metadata/{t.folder}/*": ["read", "list"]})
    m = t.mount(token=t.server.make_token(policies=[name]))
    m.expect("EACCES")
    f = open(m / "s/f", "wb")
    f.write(b"\xff")
    assert m.errno_of(f.close) == "EACCES"
    m.settle()
    assert t.get("s") == {"f": "1"} and t.version("s") == 1 and marks(t, "s") == {}
    m.write("s/f", "text")
    assert t.get("s") == {"f": "text"}


@test()
def rejected(t):
    "binary=reject: EILSEQ, and nothing is written; what is marked already is not decoded"
    t.put("s", {"f": "1"})
    first = t.mount()
    first.write("s/marked", b"\xff\0")
    m = t.mount("binary=reject")
    m.expect("EILSEQ")
    for value in (b"\xff", b"a\0b"):
        f = open(m / "s/f", "wb")
        f.write(value)
        assert m.errno_of(f.close) == "EILSEQ"
    m.settle()
    assert t.get("s") == {"f": "1", "marked": "/wA="} and t.version("s") == 2
    assert len(marks(t, "s")) == 1
    m.write("s/f", "text")
    assert t.get("s")["f"] == "text"


NEWLINES = {"one": b"value\n", "none": b"value", "two": b"value\n\n", "lines": b"one\ntwo\n",
            "crlf": b"value\r\n", "inside": b"one\ntwo", "first": b"\nvalue\n"}


@test()
def newlines_are_kept(t):
    "newline=keep, the default, keeps every byte"
    t.put("s", {"x": "1"})
    for m in (t.mount(), t.mount("newline=keep")):
        for name, value in NEWLINES.items():
            m.write(f"s/{name}", value)
            assert m.read(f"s/{name}") == value
            assert t.get("s")[name] == value.decode()


@test()
def newlines_are_stripped(t):
    "newline=strip drops the one newline that ends a single line, and no other"
    t.put("s", {"x": "1", "theirs": "kept\n"})
    m = t.mount("newline=strip")
    for name, value in NEWLINES.items():
        m.write(f"s/{name}", value)
        expected = value[:-1] if name in ("one", "crlf") else value
        assert t.get("s")[name] == expected.decode(), name
        assert m.read(f"s/{name}") == expected, name
    assert m.read("s/theirs") == b"kept\n"
    t.shell('echo secret > "$F"', F=m / "s/x")
    assert t.get("s")["x"] == "secret"
    t.shell('echo more >> "$F"', F=m / "s/x")
    assert t.get("s")["x"] == "secretmore"


@test()
def longest_value(t):
    "max_size is told while it is written, exactly, and not at close"
    t.put("s", {"f": "1"})
    m = t.mount("max_size=1000")
    m.expect("EFBIG")
    f = open(m / "s/f", "wb", buffering=0)
    assert f.write(b"x" * 1000) == 1000
    assert m.errno_of(f.write, b"y") == "EFBIG"
    assert m.errno_of(f.write, b"y" * 5000) == "EFBIG"
    assert m.errno_of(f.close) == "EFBIG"  # half a value is worse than none
    assert t.get("s") == {"f": "1"}
    m.write("s/f", "x" * 1000)
    assert m.errno_of(os.truncate, m / "s/f", 1001) == "EFBIG"
    f = open(m / "s/f", "ab", buffering=0)
    assert m.errno_of(f.write, b"y") == "EFBIG"
    assert m.errno_of(f.close) == "EFBIG"
    assert t.get("s") == {"f": "x" * 1000}
    status, _, stderr = t.shell('head -c 1001 /dev/zero | tr "\\0" x > "$F"', check=False, F=m / "s/g")
    assert status != 0 and b"File too large" in stderr
    assert m.errno_of(os.rename, m / "s/f", m / "s/h") == "" and t.get("s")["h"] == "x" * 1000
    n = t.mount("max_size=1000")
    t.put("s", {"f": "z" * 5000})  # what is longer can be read, and made shorter
    assert n.read("s/f") == b"z" * 5000
    os.truncate(n / "s/f", 900)
    assert t.get("s") == {"f": "z" * 900}


@test()
def marks_and_lost_answers(t):
    "a mark whose value was never written does no harm"
    t.put("s", {"f": "AAAA", "g": "1"})
    proxy = Proxy(t.server)
    try:
        m = t.mount("timeout=2s", "max_retries=0",
                    env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
        m.expect("")
        proxy.fate = lambda method, path: (
            "lose request" if method in ("POST", "PUT", "PATCH") and "/data/" in path else "pass")
        f = open(m / "s/f", "wb")
        f.write(b"\xff")
        assert m.errno_of(f.close) != ""
        proxy.release()
        m.settle()
        assert t.get("s") == {"f": "AAAA", "g": "1"} and t.version("s") == 1
        n = t.mount()
        n.write("s/g", "2")
        assert t.get("s") == {"f": "AAAA", "g": "2"}
        m.end()
    finally:
        proxy.close()


main(local=True)
