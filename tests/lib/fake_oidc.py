# SPDX-License-Identifier: Apache-2.0
"""A small OpenID provider: discovery, keys, codes that are exchanged for tokens. The test names the user
that logs in."""

import base64
import json
import os
import urllib.parse

from web import Web


class FakeOidc(Web):
    CLIENT = ("vault-client", "client-secret")

    def __init__(self, signer):
        super().__init__(self.answer)
        self.signer = signer
        self.codes = {}

    def authorize(self, url, user):
        """The redirect that a browser gets when `user` has logged in at `url`."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        assert url.startswith(self.address + "/authorize?"), url
        assert query["client_id"] == self.CLIENT[0] and query["response_type"] == "code", query
        code = "code-" + os.urandom(12).hex()
        self.codes[code] = (query, user)
        return query["redirect_uri"] + "?" + urllib.parse.urlencode(
            {"code": code, "state": query["state"]}), code

    def answer(self, method, path, headers, body):
        if path == "/.well-known/openid-configuration":
            found = {"issuer": self.address, "authorization_endpoint": f"{self.address}/authorize",
                     "token_endpoint": f"{self.address}/token", "jwks_uri": f"{self.address}/keys",
                     "response_types_supported": ["code"], "subject_types_supported": ["public"],
                     "id_token_signing_alg_values_supported": ["RS256"]}
        elif path == "/keys":
            found = {"keys": [self.signer.jwk()]}
        elif path == "/token":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            given = headers["Authorization"] or ""
            client = (form.get("client_id"), form.get("client_secret"))
            if given.startswith("Basic "):
                client = tuple(base64.b64decode(given[6:]).decode().split(":"))
            if client != self.CLIENT or form.get("code") not in self.codes:
                return 400, "application/json", '{"error": "invalid_grant"}'
            query, user = self.codes.pop(form["code"])
            claims = {"iss": self.address, "aud": self.CLIENT[0], "sub": user}
            if "nonce" in query:
                claims["nonce"] = query["nonce"]
            found = {"access_token": "unused", "token_type": "Bearer", "expires_in": 60,
                     "id_token": self.signer.sign(**claims)}
        else:
            return 404, "application/json", "{}"
        return 200, "application/json", json.dumps(found)
