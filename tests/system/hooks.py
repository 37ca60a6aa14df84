#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""[on_change] sections: commands and signals when a secret has changed."""

import os
import shutil
import signal
import subprocess
import time

from harness import main, test


def mount(t, text, *options):
    path = f"{t.root}/vaultfs.conf"
    with open(path, "w") as f:
        f.write(text.replace("SCRIPT", f"{t.root}/script").replace("ROOT", t.root)
                .replace("FOLDER", t.folder))
    return t.mount("watch=300ms", *options, args=("-c", path))


def script(t, body):
    path = f"{t.root}/script"
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + body)
    os.chmod(path, 0o755)


def wait_for(path, text, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.path.exists(path):
            with open(path) as f:
                if text in f.read():
                    return
        time.sleep(0.02)
    raise AssertionError(f"{path} never has {text!r}")


@test()
def runs_once_a_version(t):
    "a command runs once a version, when all of it can be read, and is told what has changed"
    t.put("tls/web", {"cert": "c1", "key": "k1"})
    t.put("other", {"x": "1"})
    # One line a run, written at once.
    script(t, 'line="$VAULTFS_PATH $VAULTFS_VERSION $VAULTFS_KIND $(cat "$VAULTFS_DIR/cert") '
              '$(cat "$VAULTFS_DIR/key") $(echo "$VAULTFS_FIELDS" | tr "\\n" ,) $1|"\n'
              f'echo "$line" >> {t.root}/out\nenv > {t.root}/env\nls -l /proc/self/fd > {t.root}/fds\n')
    m = mount(t, '[on_change "FOLDER/tls/*"]\nrun = SCRIPT "one argument"\ninterval = 0\n')
    assert m.read("tls/web/cert") == b"c1" and m.read("other/x") == b"1"
    for n in range(2, 6):
        t.put("tls/web", {"cert": f"c{n}", "key": f"k{n}"})
        wait_for(f"{t.root}/out", f" {n} changed c{n} k{n} cert,key, one argument|\n")
    t.put("other", {"x": "2"})
    m.write("tls/web/key", "k6")
    wait_for(f"{t.root}/out", " 6 changed c5 k6 key, one argument|\n")
    time.sleep(1)
    with open(f"{t.root}/out") as f:
        lines = f.read().splitlines()
    assert len(lines) == 5 and all(line.startswith(f"secret/{t.path('tls/web')} ") for line in lines), lines
    with open(f"{t.root}/env") as f:
        text = f.read()
    assert t.server.token not in text and "VAULT_TOKEN" not in text and "VAULT_ADDR" not in text
    assert "PATH=" in text
    with open(f"{t.root}/fds") as f:
        assert "socket" not in f.read()
    m.wait_log("acted on a change")


@test()
def names_with_line_feeds(t):
    "a line of VAULTFS_FIELDS is a field: no name forges another"
    names = ["plain", "two\nlines", "\n", "end\n", "slash/percent%0A"]
    t.put("s", {name: "1" for name in names} | {"forged": "1", "lines": "1"})
    script(t, f'printf "%s\\n.\\n" "$VAULTFS_FIELDS" >> {t.root}/out\n')
    m = mount(t, '[on_change "*/s"]\nrun = SCRIPT\n')
    assert len(os.listdir(m / "s")) >= len(names) + 2
    assert m.read("s/plain") == b"1"
    t.put("s", {name: "2" for name in names} | {"forged": "1", "lines": "1"})
    wait_for(f"{t.root}/out", "\n.\n")
    with open(f"{t.root}/out") as f:
        lines = f.read().removesuffix("\n.\n").split("\n")
    assert sorted(lines) == ["%0A", "end%0A", "plain", "slash%2Fpercent%250A", "two%0Alines"], lines


@test()
def more_fields_than_fit(t):
    "a command runs however many fields have changed, and is told how many names had no room"
    names = [f"field-{i:04}-{'n' * 190}" for i in range(450)]
    t.put("s", {name: "1" for name in names})
    script(t, 'n=$(printf "%s\\n" "$VAULTFS_FIELDS" | grep -c "^field-[0-9]*-n*$")\n'
              f'echo "$n $VAULTFS_FIELDS_OMITTED|" >> {t.root}/out\n')
    m = mount(t, '[on_change "*/s"]\nrun = SCRIPT\n')
    assert m.read(f"s/{names[0]}") == b"1"
    assert len(os.listdir(m / "s")) == len(names)
    t.put("s", {name: "2" for name in names})
    wait_for(f"{t.root}/out", "|\n")
    with open(f"{t.root}/out") as f:
        told, omitted = map(int, f.readline().rstrip("|\n").split())
    assert told + omitted == len(names) and omitted > 0, (told, omitted)
    t.put("s", {name: "3" if name == names[0] else "2" for name in names})
    wait_for(f"{t.root}/out", "\n1 0|\n")


@test()
def nobody_has_read_it(t):
    "a secret that a section names is looked at though nobody has read it"
    t.put("tls/web", {"cert": "1"})
    t.put("one", {"x": "1"})
    script(t, f'echo "$VAULTFS_PATH $VAULTFS_VERSION" >> {t.root}/out\n')
    mount(t, '[on_change "FOLDER/tls/*"]\nrun = SCRIPT\n[on_change "secret/FOLDER/one"]\nrun=SCRIPT\n',
          "ttl=1s")
    time.sleep(3)
    t.put("tls/web", {"cert": "2"})
    wait_for(f"{t.root}/out", f"{t.path('tls/web')} 2\n")
    t.put("one", {"x": "2"})
    wait_for(f"{t.root}/out", f"{t.path('one')} 2\n")


@test()
def signals_a_process(t):
    "signal = HUP FILE signals the process whose number is in the file"
    t.put("s", {"f": "1"})
    got = f"{t.root}/got"
    p = t.spawn("sh", "-c", f'trap "echo hup >> {got}" HUP; echo $$ > {t.root}/pid; '
                            'while :; do sleep 0.05; done')
    wait_for(f"{t.root}/pid", "\n")
    m = mount(t, '[on_change "*/s"]\nsignal = HUP ROOT/pid\n')
    assert m.read("s/f") == b"1"
    t.put("s", {"f": "2"})
    wait_for(got, "hup")
    assert p.poll() is None


@test()
def signals_nothing_else(t):
    "a file with another number, of somebody else, or no file at all signals nobody, and holds up nothing"
    t.put("s", {"f": "1"})
    got = f"{t.root}/got"
    p = t.spawn("sh", "-c", f'trap "echo hup >> {got}" HUP; echo $$ > {t.root}/pid; '
                            'while :; do sleep 0.05; done')
    wait_for(f"{t.root}/pid", "\n")
    texts = ["4294967295", "-1", "0", "1", str(2**32 + p.pid), str(2**64 + p.pid), f"{p.pid}x", f"x{p.pid}",
             "", f"-{p.pid}"]
    files = [f"{t.root}/file{n}" for n in range(len(texts) + 4)]
    for path, text in zip(files, texts):
        with open(path, "w") as f:
            f.write(text + "\n")
    link, shared, foreign, fifo = files[len(texts):]
    os.symlink(f"{t.root}/pid", link)
    for path in (shared, foreign):
        shutil.copy(f"{t.root}/pid", path)
    os.chmod(shared, 0o666)
    if os.geteuid() == 0:
        os.chown(foreign, 65534, 65534)
    else:
        os.chmod(foreign, 0o620)
    os.mkfifo(fifo)
    m = mount(t, "".join(f'[on_change "*/s"]\nsignal = HUP {path}\n' for path in files) +
              '[on_change "*/s"]\nrun = touch ROOT/ran\n')
    m.expect("acting on a change failed")
    assert m.read("s/f") == b"1"
    t.put("s", {"f": "2"})
    wait_for(f"{t.root}/ran", "")
    end = time.monotonic() + 40
    while m.log().count("acting on a change failed") < len(files):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert not os.path.exists(got) and p.poll() is None


@test()
def failures_and_deadlines(t):
    "what fails or takes too long is in the log, is ended with all that it has started, and harms nothing"
    t.put("s", {"f": "1"})
    m = mount(t, '[on_change "*/s"]\nrun = sleep 600 & echo $! > ROOT/pid; exec sleep 600\nshell = yes\n'
                 'timeout = 300ms\n[on_change "*/s"]\nrun = /nonexistent/program\n'
                 '[on_change "*/s"]\nsignal = HUP /nonexistent/pid\n[on_change "*/s"]\nrun = false\n')
    m.expect("acting on a change failed")
    assert m.read("s/f") == b"1"
    t.put("s", {"f": "2"})
    m.wait_log("it took too long")
    m.wait_log("it ended with status 127")
    m.wait_log("it ended with status 1")
    m.wait_log("it could not be begun: No such file")
    with open(f"{t.root}/pid") as f:
        pid = int(f.read())
    end = time.monotonic() + 20
    while os.path.exists(f"/proc/{pid}") and t.server.state(f"/proc/{pid}/stat") != "Z":
        assert time.monotonic() < end, "what it has started still runs"
        time.sleep(0.02)
    assert m.read("s/f") == b"2"


@test()
def is_checked(t):
    "sections that make no sense are refused with the line and what is expected"
    for text, expected in (('[on_change "a"]\nrun = true\nsignal = HUP /x\n', "needs one of run and signal"),
                           ('[on_change "a"]\n', "needs one of run and signal"),
                           ('[on_change a]\nrun = true\n', "line 1"),
                           ('[on_change "a"]\nsignal = KILL /x\n', "line 2: signal=KILL"),
                           ('[on_change "a"]\nrun = "true\n', "is no command"),
                           ('[on_change "a"]\ntimeout = x\n', "line 2"),
                           ('[on_change "a"]\nnonsense = x\n', "takes run, shell, signal")):
        path = f"{t.root}/bad.conf"
        with open(path, "w") as f:
            f.write(text)
        os.makedirs(f"{t.root}/mnt", exist_ok=True)
        status, _, err = t.run(os.environ["VAULTFS"], "mount", "-c", path, "secret", f"{t.root}/mnt", check=False,
                               env={**os.environ, "VAULT_ADDR": t.server.address, "VAULT_TOKEN": "x"})
        assert status == 1 and expected in err.decode(), (text, err)


@test(needs=("nginx", "openssl"), seconds=180)
def nginx_reloads(t):
    "nginx serves each rotated certificate with its key, without a restart"
    def pair(n):
        t.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
              "-subj", f"/CN=version{n}", "-keyout", f"{t.root}/k", "-out", f"{t.root}/c", "-days", "2")
        with open(f"{t.root}/k") as k, open(f"{t.root}/c") as c:
            return {"key": k.read(), "cert": c.read()}

    import ssl
    from server import free_port
    t.put("web", pair(1))
    port = free_port()
    m = mount(t, '[on_change "*/web"]\nsignal = HUP ROOT/nginx.pid\n', "uid=0")
    with open(f"{t.root}/nginx.conf", "w") as f:
        f.write(f"daemon off; pid {t.root}/nginx.pid; error_log {t.root}/nginx.log; events {{}}\n"
                f"http {{ access_log off; client_body_temp_path {t.root}/b; proxy_temp_path {t.root}/p;\n"
                f"fastcgi_temp_path {t.root}/f; uwsgi_temp_path {t.root}/u; scgi_temp_path {t.root}/s;\n"
                f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {m / 'web/cert'};\n"
                f"ssl_certificate_key {m / 'web/key'}; }} }}\n")
    p = t.spawn("nginx", "-c", f"{t.root}/nginx.conf", "-e", f"{t.root}/nginx.log")

    def served():
        try:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
        except OSError:
            return ""

    def wait_served(certificate):
        end = time.monotonic() + 60
        while served().strip() != certificate.strip():
            assert time.monotonic() < end and p.poll() is None, "nginx does not serve it"
            time.sleep(0.05)

    with open(f"{t.root}/c") as f:
        wait_served(f.read())
    for n in range(2, 6):
        fields = pair(n)
        t.put("web", fields)
        wait_served(fields["cert"])
    with open(f"{t.root}/nginx.log") as f:
        assert "mismatch" not in f.read()
    p.send_signal(signal.SIGTERM)
    p.wait(20)


main()
