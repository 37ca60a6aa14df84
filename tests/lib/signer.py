# SPDX-License-Identifier: Apache-2.0
"""JSON web tokens (RFC 7519), signed with RS256 by openssl(1), for servers that ask for our identity."""

import base64
import json
import os
import subprocess
import time


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Signer:
    """A key pair in a directory, and tokens signed with it."""

    def __init__(self, root, name="signer"):
        self.key = f"{root}/{name}.key"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True,
                       capture_output=True)
        self.public = subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout"], check=True,
                                     capture_output=True, text=True).stdout

    def sign(self, seconds=3600, **claims):
        now = int(time.time())
        claims = {"iat": now, "nbf": now - 10, "exp": now + seconds, "jti": os.urandom(8).hex(),
                  **claims}
        text = b".".join(_b64(json.dumps(part).encode())
                         for part in ({"alg": "RS256", "typ": "JWT", "kid": "1"}, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text,
                                   check=True, capture_output=True).stdout
        return (text + b"." + _b64(signature)).decode()

    def jwk(self):
        """The public key as a JSON web key (RFC 7517)."""
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"],
                                 check=True, capture_output=True, text=True).stdout
        n = bytes.fromhex(modulus.strip().split("=")[1])
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": _b64(n).decode(),
                "e": _b64(b"\x01\x00\x01").decode()}
