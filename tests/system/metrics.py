#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metrics: the text is what Prometheus reads, the numbers are those of the server's audit log, and no
path and no secret is in it. The parser is that of prometheus_client, Prometheus' own library."""

import os
import re
import stat

import packaged
from harness import main, skip, test

parser = packaged.module("prometheus_client.parser")


def read(m):
    """{(name, label, ...): value}, of a text that is checked."""
    if parser is None:
        skip("no prometheus_client for Python here")
    text = m.read(".vault/metrics").decode()
    assert text.endswith("\n")
    found = {}
    for family in parser.text_string_to_metric_families(text):
        assert re.fullmatch(r"vaultfs_[a-z_]+", family.name), family.name
        assert family.documentation.endswith(".") and family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.values()))
            assert key not in found, key
            found[key] = sample.value
            assert sample.name.startswith(family.name)
            assert family.type != "counter" or sample.name.endswith("_total"), sample.name
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) vaultfs_[a-z_]+ .+|vaultfs_[a-z_]+({[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*})? \d+(\.\d+)?",
                            line), line
    return found


def total(found, name, *labels):
    return sum(v for k, v in found.items() if k[0] == f"vaultfs_{name}" and set(labels) <= set(k[1:]))


@test()
def requests_are_those_of_the_audit_log(t):
    "requests to the server are counted as its audit log counts them, by operation and result"
    t.put("a", {"x": "1"})
    t.put("c", {"x": "1"})
    m = t.mount("ttl=1h", "negative_ttl=1h")
    m.write("c/x", "2") # asks who leads, which no audit log has
    before, mark = read(m), t.server.audit_mark()
    m.read("a/x")
    os.listdir(m.path)
    m.write("a/x", "2")
    assert m.errno_of(m.read, "b/x") == "ENOENT"
    os.unlink(m / "a/x")
    os.listdir(m.path)
    after, seen = read(m), t.server.requests_since(mark)
    count = "request_duration_seconds_count"
    assert total(after, count) - total(before, count) == len(seen), seen
    for ours, theirs in (("read", ("read",)), ("list", ("list",)), ("write", ("create", "update")),
                         ("delete", ("delete",)), ("patch", ("patch",))):
        n = sum(operation in theirs for operation, _ in seen)
        assert total(after, count, ours) - total(before, count, ours) == n, (ours, seen)
    assert total(after, "request_duration_seconds_sum") > total(before, "request_duration_seconds_sum")
    assert total(after, count, "4xx") > 0 == total(after, count, "5xx")
    assert total(after, "requests_in_flight") == total(after, "request_retries_total") == 0
    assert total(after, "breakers_open") == total(after, "breaker_trips_total") == 0


@test()
def the_cache(t):
    "hits, misses, bytes and entries are those of the cache"
    t.put("a", {"x": "1", "y": "2"})
    m = t.mount("ttl=1h", "negative_ttl=1h")
    m.read("a/x")
    first = read(m)
    assert total(first, "cache_misses_total") > 0 and total(first, "cache_bytes") > 0
    assert total(first, "cache_entries") > 0 == total(first, "cache_stale_total")
    mark = t.server.audit_mark()
    for _ in range(10):
        assert m.read("a/y") == b"2"
        os.getxattr(m / "a", "user.vault.version")
    second = read(m)
    assert t.server.requests_since(mark) == []
    assert total(second, "cache_misses_total") == total(first, "cache_misses_total")
    assert total(second, "cache_hits_total") >= total(first, "cache_hits_total") + 10
    m.write(".vault/refresh", "1")
    assert total(read(m), "cache_entries") < total(second, "cache_entries")


@test()
def files_and_commits(t):
    "operations of the kernel, open files, drafts and commits are counted"
    t.put("a", {"x": "1"})
    m = t.mount()
    before = read(m)
    assert m.errno_of(os.stat, m / "a/none") == "ENOENT"
    assert m.errno_of(os.mkdir, m / "a/%zz") == "EINVAL"
    with open(m / "a/x", "rb") as f, open(m / "a/y", "w") as g:
        f.read()
        g.write("2")
        held = read(m)
        assert total(held, "drafts") == 1 and total(held, "open_files") >= 2
    m.write("a/x", "3")
    with open(m / "a/x", "r+") as f:
        f.write("4")
        t.put("a", {"x": "theirs"})
        assert m.errno_of(f.close) == "EBUSY"
    os.unlink(m / "a/x")
    m.settle()
    after = read(m)
    fuse = lambda *labels: total(after, "fuse_operations_total", *labels) - \
        total(before, "fuse_operations_total", *labels)
    assert fuse("lookup", "ENOENT") >= 1 and fuse("mkdir", "EINVAL") == 1 and fuse("unlink", "OK") == 1
    assert fuse("create", "OK") == 1 and fuse("close", "EBUSY") == 1 and fuse("write", "OK") == 3
    assert total(after, "commits_total", "conflict") == 1
    assert total(after, "commits_total", "written") == 2
    assert total(after, "commits_total", "deleted") == 1
    m.expect("request failed", "a scratch file goes")


@test()
def the_token(t):
    "the token's life, its renewals and logins are told"
    t.server.policy(f"p-{t.name}", {"secret/*": ["read", "list"]})
    token = t.server.make_token(policies=[f"p-{t.name}"], ttl="1h")
    m = t.mount(token=token)
    found = read(m)
    assert 3000 < total(found, "token_ttl_seconds") <= 3600
    assert total(found, "logins_total", "done") == 1 and total(found, "logins_total", "failed") == 0
    assert total(found, "token_renewals_total", "done") == 0
    assert not [k for k in read(t.mount()) if k[0] == "vaultfs_token_ttl_seconds"]
    version = [k[1] for k in found if k[0] == "vaultfs_build_info"]
    assert len(version) == 1 and re.match(r"\d+\.\d+", version[0])


@test()
def an_outage(t):
    "requests without an answer, the breaker and stale values are counted"
    t.put("a", {"x": "1"})
    m = t.mount("ttl=1s", "timeout=2s", "max_retries=1")
    m.expect("fetch failed", "does not serve", "request failed", "renew")
    m.read("a/x")
    t.server.stop()
    for _ in range(300):
        m.read("a/x")
        m.errno_of(os.listdir, m.path)
        m.errno_of(m.read, "none/x")
        found = read(m)
        if total(found, "breakers_open") and total(found, "cache_stale_total"):
            break
        m.settle()
    assert total(found, "cache_stale_total") > 0 and total(found, "breaker_trips_total") > 0
    assert total(found, "request_duration_seconds_count", "no answer") > 0
    assert total(found, "request_retries_total") > 0 and total(found, "requests_spared_total") > 0


@test()
def nothing_secret(t):
    "no path, no name, no value and no token is in it; it is the root's alone, and read only"
    value, name = t.canary(), t.canary()
    t.put(name, {"x": value})
    m = t.mount()
    m.read(f"{name}/x")
    text = m.read(".vault/metrics").decode()
    assert not [c for c in t.canaries if c in text] and t.folder not in text and "http" not in text
    assert m.errno_of(os.stat, m / f"{name}/.vault/metrics") == "ENOENT"
    assert m.errno_of(open, m / ".vault/metrics", "w") == "EROFS"
    assert "metrics" in os.listdir(m / ".vault")
    assert stat.S_ISREG(os.stat(m / ".vault/metrics").st_mode)
    assert text.splitlines()[0] == t.run("cat", m / ".vault/metrics")[1].decode().splitlines()[0]
    t.canaries.remove(name)


main()
