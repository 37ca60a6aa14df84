#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A secret as one file: .vault/data.json read, written by many programs, refused where it is no object;
and what is asked of the server for it, and of a token that may patch or may not read."""

import json
import os
import re
import shutil
import time

from harness import main, test
from mount import VAULTFS, clean_environment

NEW = {"user": "alice", "port": 5432, "tls": True, "none": None, "list": [1, "2", {"x": []}],
       "object": {"b": 1, "a": {}}, "text": "line\nline\n", "uni": "äöü€\U0001f511", "quote": "\"\\/"}
VIM = ('vim -N -u NONE -i NONE -es -c "set backupskip= {0}" -c "%d" -c "0r $W/new.json" -c wq "$J"')
EMPTY_TO_NEW = "python3 -c 'import os, sys, tempfile; J, W = sys.argv[1:]; {0}' \"$J\" \"$W\""

# What writes it: $J is the file, $W a folder with new.json. Each makes one version.
PROGRAMS = {
    "cat >": 'cat "$W/new.json" > "$J"',
    "tee": 'tee "$J" < "$W/new.json" > "$W/null"',
    "cp": 'cp "$W/new.json" "$J"',
    "cp -a": 'cp -a "$W/new.json" "$J"',
    # It unlinks what it cannot rename over, which does nothing here.
    "mv from outside": 'cp "$W/new.json" "$W/in" && mv "$W/in" "$J"',
    "install": 'install -m600 "$W/new.json" "$J"',
    "dd": 'dd if="$W/new.json" of="$J" conv=fsync status=none',
    "sed -i": 'sed -i -n "1r $W/new.json" "$J"',
    "perl -pi": 'perl -0 -pi -e \'open my $f, "<", "$ENV{W}/new.json"; $_ = join "", <$f>\' "$J"',
    "vim": VIM.format(""),
    "vim, backupcopy=yes": VIM.format("backupcopy=yes"),
    "rsync": 'rsync "$W/new.json" "$J"',
    "rsync --inplace": 'rsync --inplace "$W/new.json" "$J"',
    "curl -o": 'curl -sfo "$J" "file://$W/new.json"',
    "jq": 'jq --slurpfile n "$W/new.json" "\\$n[0]" "$J" > "$W/jq" && cp "$W/jq" "$J"',
    "python open": EMPTY_TO_NEW.format('open(J, "w").write(open(W + "/new.json").read())'),
    "python os.replace": EMPTY_TO_NEW.format(
        't = tempfile.NamedTemporaryFile("w", dir=os.path.dirname(J), delete=False); '
        't.write(open(W + "/new.json").read()); t.close(); os.replace(t.name, J)'),
}


def write(m, text, name="s"):
    m.write(f"{name}/.vault/data.json", text if isinstance(text, (str, bytes)) else json.dumps(text))


@test(seconds=180)
def programs(t):
    "every program that writes data.json replaces all fields in one version"
    with open(f"{t.root}/new.json", "w") as f:
        json.dump(NEW, f, indent=2, ensure_ascii=False)
        f.write("\n")
    rows = []
    for n, (name, script) in enumerate(PROGRAMS.items()):
        if not shutil.which(re.match("\\w+", name).group().replace("python", "python3")):
            t.note(f"skipped: no {name} here")
            continue
        rows.append((name, script, "existing", f"s{n}"))
        t.put(f"s{n}", {"old": "1", "user": "bob"})
        if not re.match("sed|perl|vim|jq", name):
            rows.append((name, script, "new", f"n{n}"))
    m = t.mount()
    wrong = []
    for name, script, case, secret in rows:
        if case == "new":
            os.mkdir(m / secret)
        path = f"{secret}/.vault/data.json"
        status, _, stderr = t.shell(script, check=False, W=t.root, J=m / path)
        m.settle()
        versions = t.version(secret) - (case == "existing")
        t.note(f"{name:20} {case:9} status {status}, {versions} versions")
        if (status, versions, t.get(secret)) != (0, 1, NEW):
            wrong.append(f"{name}, {case}: {stderr[-200:]} {versions} versions, {t.get(secret)}")
        elif sorted(os.listdir(m / secret)) != sorted(NEW) or json.loads(m.read(path)) != NEW:
            wrong.append(f"{name}, {case}: the mount has {m.read(path)}")
    assert not wrong, "\n".join(wrong)


@test()
def replaces_all(t):
    "what is not in it is gone, and the fields read as it says at once"
    t.put("s", {"a": "1", "b": "2", "n": 7})
    m = t.mount()
    assert [m.read(f"s/{n}") for n in "abn"] == [b"1", b"2", b"7"]
    write(m, {"b": "new", "c": 12})
    assert t.get("s") == {"b": "new", "c": 12} and t.version("s") == 2
    assert sorted(os.listdir(m / "s")) == ["b", "c"]
    assert m.read("s/b") == b"new" and m.read("s/c") == b"12" and not os.path.exists(m / "s/a")
    assert os.getxattr(m / "s", "user.vault.version") == b"2"
    text = m.read("s/.vault/data.json")
    assert os.stat(m / "s/.vault/data.json").st_size == len(text)
    write(m, text)
    assert t.get("s") == {"b": "new", "c": 12} and t.version("s") == 3
    write(m, {})
    assert t.get("s") == {} and os.listdir(m / "s") == []


@test()
def new_secrets(t):
    "a new secret is made by writing its data.json, also where a folder of its name is"
    t.put("folder/inner", {"x": "1"})
    m = t.mount()
    os.makedirs(m / "a/b")
    assert m.errno_of(open, m / "a/b/.vault/data.json") == "ENOENT"
    write(m, {"f": "1"}, "a/b")
    assert t.get("a/b") == {"f": "1"} and m.read("a/b/f") == b"1"
    write(m, {"g": "2"}, "folder")
    assert t.get("folder") == {"g": "2"} and sorted(os.listdir(m / "folder")) == ["g", "inner"]
    t.server.delete(t.path("a/b"))
    n = t.mount()
    write(n, {"again": "3"}, "a/b")
    assert t.get("a/b") == {"again": "3"} and t.version("a/b") == 2


@test()
def what_json_can_hold(t):
    "numbers of as many digits as the server keeps, NUL, odd names, depth and size come and go as they are"
    m = t.mount()
    os.mkdir(m / "s")
    text = ('{"big": 9007199254740991, "small": 0.1, "negative": -7, "exp": 1e+21, '
            '"nul": "a\\u0000b", "": "empty", "a/b": "slash", ".": "dot", "%s": "long name", "deep": %s, '
            '"pair": "\\ud83d\\udd11", "line": "\\u2028"}' % ("n" * 300, "[" * 60 + "]" * 60))
    write(m, text)
    expected = json.loads(text)
    assert t.get("s") == expected
    assert json.loads(m.read("s/.vault/data.json")) == expected
    assert m.read("s/big") == b"9007199254740991" and m.read("s/nul") == b"a\0b"
    assert m.read("s/%") == b"empty" and m.read("s/a%2Fb") == b"slash"
    m.write("s/small", "0.2")
    expected["small"] = 0.2
    assert t.get("s") == expected


BAD = {
    "nothing": "", "blanks": " \n", "a string": '"text"', "a number": "12", "null": "null",
    "an array": '[{"a": 1}]', "text": "user=bob\n", "cut": '{"a": "1"', "garbage after": '{"a": "1"} x',
    "two objects": '{"a": "1"}{"b": "2"}', "comma": '{"a": "1",}', "single quotes": "{'a': '1'}",
    "no quotes": "{a: 1}", "comment": '{"a": "1"} // x', "NaN": '{"a": NaN}',
    "leading zero": '{"a": 012}', "plus": '{"a": +1}', "line in string": '{"a": "x\ny"}', "bad escape": '{"a": "\\x"}',
    "half a pair": '{"a": "\\ud83d"}', "duplicate": '{"a": "1", "b": "2", "a": "3"}',
    "duplicate by escape": '{"a": "1", "\\u0061": "3"}', "duplicate inside": '{"o": {"x": 1, "x": 2}}',
    "too deep": '{"a": ' + "[" * 100000 + "]" * 100000 + "}", "NUL": '{"a": "\0"}',
}


@test()
def refused(t):
    "what is no object, or is ambiguous, is EINVAL at close, and nothing is changed"
    t.put("s", {"a": "1", "b": "2"})
    m = t.mount()
    m.expect("EINVAL|EILSEQ")
    wrong = []
    for name, text in {**BAD, "not UTF-8": b'{"a": "\xff"}', "latin1 name": b'{"\xe4": "1"}'}.items():
        f = open(m / "s/.vault/data.json", "wb", buffering=0)
        if text:
            f.write(text if isinstance(text, bytes) else text.encode())
        error = m.errno_of(f.close)
        # Where nothing was written it is the release that would commit, and nobody to tell.
        allowed = ("EINVAL", "EILSEQ") if isinstance(text, bytes) else ("EINVAL",)
        if text and error not in allowed:
            wrong.append(f"{name}: {error or 'no error'}")
        m.settle()
        if t.version("s") != 1:
            wrong.append(f"{name}: it is version {t.version('s')}: {t.get('s')}")
            break
    assert not wrong, wrong
    assert m.read("s/a") == b"1" and t.get("s") == {"a": "1", "b": "2"}
    status, _, stderr = t.shell('cp /dev/stdin "$F" <<< "[1]"', check=False, F=m / "s/.vault/data.json")
    assert status == 1 and b"Invalid argument" in stderr


@test()
def told_where(t):
    ".vault/errors of the root tells line and column of what is wrong, and nothing of the values"
    value = t.canary()
    t.put("s", {"a": "1"})
    m = t.mount()
    m.expect("EINVAL")
    for text, line, column in ((f'{{\n  "a": "{value}",\n  "b": oops\n}}\n', 3, 8),
                               (f'{{"a": "{value}" "b": 1}}', 1, None),
                               (f'{{\n"{value}": 1,\n"x": 2,\n"{value}": 3}}', None, None)):
        assert m.errno_of(write, m, text) == "EINVAL"
        last = m.read(".vault/errors").decode().splitlines()[-1]
        assert "EINVAL" in last and "s" in last and value not in last, last
        if line:
            found = re.search(r"line (\d+),? column (\d+)", last)
            assert found and int(found.group(1)) == line, last
            assert column is None or abs(int(found.group(2)) - column) <= 1, last
    assert t.version("s") == 1


@test()
def conflicts(t):
    "replacing goes on top of what others wrote, editing in place is EBUSY; cas holds here too"
    t.put("s", {"a": "1"})
    m = t.mount()
    m.expect("EBUSY|conflict")
    path = m / "s/.vault/data.json"
    f = open(path, "wb", buffering=0)
    f.write(b'{"a": "mine"}')
    t.put("s", {"a": "theirs", "b": "theirs"})
    f.close()
    assert t.get("s") == {"a": "mine"} and t.version("s") == 3
    f = open(path, "r+b", buffering=0)
    text = f.read()
    f.seek(0)
    f.write(text.replace(b"mine", b"MINE"))
    t.put("s", {"a": "mine", "b": "theirs"})
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("s") == {"a": "mine", "b": "theirs"} and t.version("s") == 4
    os.setxattr(m / "s", "user.vault.cas", b"3")
    assert m.errno_of(write, m, {"a": "x"}) == "EBUSY"
    os.setxattr(m / "s", "user.vault.cas", b"4")
    write(m, {"a": "x"})
    assert t.get("s") == {"a": "x"} and t.version("s") == 5


@test()
def stays_a_file(t):
    "it cannot be removed, moved or made a directory, and its directory holds nothing else"
    t.put("s", {"a": "1"})
    m = t.mount()
    m.expect("EBUSY|EROFS|EPERM|scratch")
    d = m / "s/.vault"
    os.unlink(f"{d}/data.json")  # as mv from outside does it, before it creates it
    # It is gone for who removed it, for a moment, and for nobody else.
    assert json.loads(t.run("cat", f"{d}/data.json")[1]) == {"a": "1"} and t.version("s") == 1
    time.sleep(1.1)
    assert json.loads(m.read("s/.vault/data.json")) == {"a": "1"}
    for action, *args in ((os.rename, f"{d}/data.json", m / "s/x"),
                          (os.rename, f"{d}/data.json", f"{d}/x"),
                          (open, f"{d}/other", "w"), (os.unlink, f"{d}/metadata.json"),
                          (open, f"{d}/data.env", "w"), (os.mkdir, f"{d}/x"),
                          (os.rename, m / "s/a", f"{d}/metadata.json"),
                          (os.symlink, "x", f"{d}/x")):
        assert m.errno_of(action, *args) in ("EROFS", "EPERM", "EBUSY", "EXDEV"), (action, args)
    assert t.get("s") == {"a": "1"} and t.version("s") == 1


@test()
def field_moved_over_it(t):
    "a field whose value is an object can be copied over it"
    t.put("s", {"a": {"x": "1", "y": 2}})
    m = t.mount()
    t.run("cp", m / "s/a", m / "s/.vault/data.json")
    assert t.get("s") == {"x": "1", "y": 2} and t.version("s") == 2


def limited(t, data, metadata=("list", "read"), name=""):
    policy = f"json-{t.name}{name}"
    t.server.policy(policy, {f"secret/data/{t.folder}/*": data,
                             f"secret/metadata/{t.folder}/*": metadata})
    return t.mount("negative_ttl=100ms", token=t.server.make_token(policies=[policy]))


@test()
def write_only(t):
    "a token that may create and update but not read makes and replaces secrets, and reads nothing"
    for n, metadata in enumerate((("list", "read"), ("list",))):
        s, new = f"s{n}", f"new{n}"
        t.put(s, {"a": "theirs"})
        m = limited(t, ["create", "update"], metadata, n)
        m.expect("EACCES")
        path = m / f"{s}/.vault/data.json"
        assert m.errno_of(m.read, f"{s}/.vault/data.json") == "EACCES"
        assert m.errno_of(m.read, f"{s}/a") == "EACCES"
        t.shell('echo \'{"a": "1"}\' > "$J"', J=path)
        assert t.get(s) == {"a": "1"} and t.version(s) == 2
        with open(f"{t.root}/x.json", "w") as f:
            f.write('{"b": "2"}')
        t.run("cp", f"{t.root}/x.json", path)
        assert t.get(s) == {"b": "2"} and t.version(s) == 3
        os.mkdir(m / new)
        t.run("cp", f"{t.root}/x.json", m / f"{new}/.vault/data.json")
        assert t.get(new) == {"b": "2"} and t.version(new) == 1
        assert m.errno_of(m.read, f"{s}/.vault/data.json") == "EACCES"
        assert m.errno_of(m.read, f"{s}/b") == "EACCES"


@test()
def read_only(t):
    "a token that may only read cannot write it, which is told at open"
    t.put("s", {"a": "1"})
    m = limited(t, ["read"])
    m.expect("EACCES")
    status, _, stderr = t.shell('echo "{}" > "$J"', check=False, J=m / "s/.vault/data.json")
    assert status == 1 and b"Permission denied" in stderr
    assert t.version("s") == 1


def operations(t, mark):
    return [op for op, p in t.server.requests_since(mark, f"secret/data/{t.folder}")
            if op in ("create", "update", "patch", "delete")]


@test()
def patches(t):
    "a token that may patch sends the field that changed alone; one that may not, the whole secret"
    for n, capabilities in enumerate((["create", "update", "read", "patch"],
                                      ["create", "update", "read"])):
        s = f"s{n}"
        t.put(s, {"a": "1", "b": "2", "o": {"x": 1}, "z": None})
        m = limited(t, capabilities, name=n)
        mark = t.server.audit_mark()
        m.write(f"{s}/a", "new")
        m.write(f"{s}/c", "more")
        assert t.get(s) == {"a": "new", "b": "2", "c": "more", "o": {"x": 1}, "z": None}
        assert t.version(s) == 3
        assert operations(t, mark) == [("patch", "update")[n]] * 2


@test()
def what_a_patch_cannot_say(t):
    "objects are replaced and not merged, null is stored, fields are removed, secrets come back"
    t.put("s", {"o": {"x": 1, "y": {"deep": 1}}, "z": None, "n": None, "a": "1"})
    m = limited(t, ["create", "update", "read", "patch", "delete"])
    m.write("s/o", '{"w": 2, "y": {}}')
    assert t.get("s")["o"] == {"w": 2, "y": {}}
    m.write("s/o", '{"w": null}')
    assert t.get("s")["o"] == {"w": None}
    m.write("s/z", "null")
    assert t.get("s") == {"o": {"w": None}, "z": None, "n": None, "a": "1"}
    version = t.version("s")
    os.unlink(m / "s/a")
    os.rename(m / "s/o", m / "s/p")
    assert t.get("s") == {"p": {"w": None}, "z": None, "n": None} and t.version("s") == version + 2
    t.server.delete(t.path("s"))
    n = limited(t, ["create", "update", "read", "patch", "delete"], name="again")
    n.write("s/a", "2")
    assert t.get("s") == {"a": "2"} and t.version("s") == version + 3
    write(n, {"b": "3"})
    assert t.get("s") == {"b": "3"}



def write_env(t, text):
    """As a .env file, of which names are those of variables."""
    name = f"{t.root}/.env"
    with open(name, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("\n".join(line.split("=", 1)[0].upper() + "=" + line.split("=", 1)[1] if re.match("[a-zA-Z_]\\w*='", line) else line
                          for line in text.decode().split("\n")))
    return name


@test()
def as_shell_assignments(t):
    "data.env can be read by a shell, whatever the values are; what a shell cannot have is left out"
    values = {"PLAIN": "abc", "quote": "it's \"$HOME\" `id` \\ ''", "lines": "a\nb\n", "uni": "ä\U0001f511",
              "empty": "", "_n1": 12, "dir": "\\\\host\\x\\", "ends": "\\'", "var": "${X} $${Y}$", "o": {"a": [1, "x'y"]}, "t": True, "z": None}
    t.put("s", {**values, "no-name": "x", "a\nid": "x", "1st": "x", "": "x", "a b": "x", "nul": "a\0b",
                "LD_PRELOAD": "/x", "BASH_ENV": "/x", "PATH": "/x"})
    m = t.mount()
    text = m.read("s/.vault/data.env")
    assert os.stat(m / "s/.vault/data.env").st_size == len(text)
    for shell in ("bash", "dash"):
        for name, value in values.items():
            expected = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            out = t.run(shell, "-c", f'. "$0"; printf %s "${name}"', m / "s/.vault/data.env")[1]
            assert out == expected.encode(), (shell, name, out)
    # What reads .env files reads it too.
    _, out, _ = t.run(VAULTFS, "run", "-o", f"env=only,env_file={write_env(t, text)}", *(f"secret#{name}" for name in values), "--", "env", "-0",
                      env=clean_environment(HOME=t.root, VAULT_MOUNT="secret"))
    got = dict(pair.split("=", 1) for pair in out.decode().split("\0")[:-1])
    for name, value in values.items():
        assert got[name.upper()] == (value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))), name
    comments = [line for line in text.decode().splitlines() if line.startswith("# left out")]
    assert len(comments) == 9 and "no-name" in text.decode() and "a?id" in text.decode()
    assert m.errno_of(open, m / "s/.vault/data.env", "w") == "EROFS"
    assert m.errno_of(open, m / ".vault/data.env") == "ENOENT"


main(local=True)
