#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text from elsewhere on its way to eyes: names, values and words of a server steer no terminal, forge no
line of a log and show nothing in another order than it is; to a pipe they go as they are."""

import json
import os
import pty
import re
import subprocess
import time

from harness import main, test
from mount import VAULTFS, clean_environment

EVERY = ("vault", "bao", "local")
# ESC, C1's CSI, a right-to-left override, an isolate, a line separator, an invisible tag.
BAD = "\x1b]0;own\x07", "\x9b31m", "\u202e", "\u2066", "\u2028", "\U000e0041"
WILD = "a" + "\u202e\x9bz" + "\u2066\U000e0041"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e"
                     r"\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


def on_terminal(t, *args):
    """What the command has written to a terminal, and to its stderr there."""
    parent, child = pty.openpty()
    env = clean_environment(HOME=t.root, VAULT_ADDR=getattr(t.server, "address", None) or "",
                            VAULT_TOKEN=t.server.token or "", TERM="xterm")
    p = subprocess.Popen([VAULTFS, *args], stdin=child, stdout=child, stderr=child, env=env)
    os.close(child)
    out = b""
    while True:
        try:
            more = os.read(parent, 65536)
        except OSError:
            break
        if not more:
            break
        out += more
    os.close(parent)
    p.wait(30)
    return out.decode("utf-8", "surrogateescape")


def on_pipe(t, *args):
    env = clean_environment(HOME=t.root, VAULT_ADDR=getattr(t.server, "address", None) or "",
                            VAULT_TOKEN=t.server.token or "")
    return subprocess.run([VAULTFS, *args], env=env, capture_output=True, timeout=60,
                          check=False).stdout


def assert_safe(text, *expected):
    found = CONTROL.findall(text.replace("\t", ""))
    assert not found, (found, text)
    for word in expected:
        assert word in text, (word, text)


@test(("vault", "bao"))
def commands(t):
    "commands show what is no ink by its number on a terminal, and as it is to a pipe"
    value = "".join(BAD) + "\nsecond line\tend"
    t.put("s", {WILD: value, "plain": "1", "n": 1})
    t.put("s", {WILD: value + "2", "plain": "1"})
    s = f"secret/{t.path('s')}"
    shown = "a\\u202e\\u009bz\\u2066\\U000e0041"
    assert_safe(on_terminal(t, "ls", s), shown)
    assert_safe(on_terminal(t, "get", s), shown, "\\x1b]0;own\\x07", "\\nsecond line\\tend")
    assert_safe(on_terminal(t, "get", f"{s}#{WILD}"), "\\x1b]0;own\\x07\\u009b31m\\u202e",
                "\r\nsecond line\tend")
    assert_safe(on_terminal(t, "get", "--format=json", s), "\\u202e", "\\udb40\\udc41")
    assert_safe(on_terminal(t, "get", "--format=env", s), "plain='1'")
    assert_safe(on_terminal(t, "history", s), shown)
    assert_safe(on_terminal(t, "diff", s, "1", "2"), shown)
    assert_safe(on_terminal(t, "get", f"{s}#no{WILD}"), f"no{shown}")
    assert_safe(on_terminal(t, "get", f"{s}/{WILD}x"), "vaultfs: ")
    # Byte for byte, where a program reads or where the bytes are asked for.
    assert on_pipe(t, "get", f"{s}#{WILD}") == (value + "2").encode()
    assert value.split("\n")[0] in on_terminal(t, "get", "-f", WILD, "--format=raw", s)
    assert on_pipe(t, "ls", s).decode().split("\n")[0:1] and WILD in on_pipe(t, "ls", s).decode()
    assert json.loads(on_pipe(t, "get", s))[WILD] == value + "2"


@test(EVERY)
def files_and_logs(t):
    "errors, events and the log hold no control characters, whatever names and servers say"
    t.put("s", {"x": "1"})
    m = t.mount("ttl=0", "watch=1s")
    events = os.open(m / ".vault/events", os.O_RDONLY | os.O_NONBLOCK)
    name = "b\u202e\u2066\u009b\u2028\U000e0041"
    m.write(f"s/{name}", "1")
    assert m.errno_of(open, m / f"s/{name}/x")
    m.errno_of(os.setxattr, m / "s", "user.vault.max_versions", "\u202enone".encode())
    for raw in (b"c\xff\x9b", name.encode()):
        try:
            with open(os.fsencode(str(m / "s")) + b"/" + raw + b"\x1b", "w") as f:
                f.write("1")
        except OSError:
            pass
    with open(m / ".vault/errors", "rb") as f:
        assert_safe(f.read().decode("utf-8", "surrogateescape"))
    text, end = b"", time.monotonic() + 30
    while text.count(b"\n") < 1 and time.monotonic() < end:
        try:
            text += os.read(events, 65536)
        except BlockingIOError:
            time.sleep(0.05)
    os.close(events)
    assert_safe(text.decode())
    lines = [json.loads(line) for line in text.splitlines()]
    assert any(name in line.get("fields", []) for line in lines), lines
    log = m.log()
    assert_safe(log)
    t.note(f"{len(lines)} events, {len(log)} bytes of log")


main()
