# SPDX-License-Identifier: Apache-2.0
"""A directory with some users: Debian's slapd, on a free port of loopback, in a directory of its own."""

import os
import shutil
import socket
import subprocess
import time

from server import free_port

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {root}/pid
database mdb
suffix "dc=example,dc=test"
rootdn "cn=admin,dc=example,dc=test"
rootpw {password}
directory {root}/db
maxsize 10485760
"""
USER = """
dn: uid={name},ou=people,dc=example,dc=test
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
userPassword: {password}
"""
TOP = """dn: dc=example,dc=test
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: ou=people,dc=example,dc=test
objectClass: organizationalUnit
ou: people
"""


def find_slapd():
    """slapd's path, or None; it is not on every user's PATH."""
    return shutil.which("slapd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


class Ldap:
    """`users` are {name: password}."""

    def __init__(self, root, users):
        self.root = root
        self.password = os.urandom(8).hex()
        self.port = free_port()
        self.address = f"ldap://127.0.0.1:{self.port}"
        os.makedirs(f"{root}/db")
        with open(f"{root}/conf", "w") as f:
            f.write(CONFIG.format(root=root, password=self.password))
        entries = TOP + "".join(USER.format(name=n, password=p) for n, p in users.items())
        slapd = find_slapd()
        subprocess.run([slapd, "-T", "add", "-f", f"{root}/conf"], input=entries, text=True,
                       check=True, capture_output=True, timeout=30)
        self.process = subprocess.Popen([slapd, "-h", self.address, "-f", f"{root}/conf", "-d", "0"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
