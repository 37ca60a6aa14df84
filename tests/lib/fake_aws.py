# SPDX-License-Identifier: Apache-2.0
"""The parts of AWS that a login needs: STS, which names the signer of a request, and the metadata service
of an instance. Signatures are checked with the standard library alone, by AWS's manual."""

import hashlib
import hmac
import json
import re
import urllib.parse

from web import Web

IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AIDA{id}</UserId><Account>123456789012</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>"""
REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>SignatureDoesNotMatch</Code><Message>{message}</Message></Error></ErrorResponse>"""


ASSUMED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Audience>sts.amazonaws.com</Audience><Credentials>
<SessionToken>{session}</SessionToken><SecretAccessKey>{key}</SecretAccessKey>
<Expiration>2099-01-01T00:00:00Z</Expiration><AccessKeyId>{id}</AccessKeyId></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


class FakeSts(Web):
    """`keys` are {access key id: (secret key, session token or None, arn)}."""

    def __init__(self, keys):
        super().__init__(self.answer)
        self.keys = keys
        self.hosts = []
        self.identities = {}  # {(JWT, role's ARN): access key id}

    def assume(self, form):
        try:
            key_id = self.identities[form["WebIdentityToken"][0], form["RoleArn"][0]]
        except KeyError:
            return 400, "text/xml", REFUSAL.format(message="Couldn't retrieve verification key")
        secret, session, _ = self.keys[key_id]
        return 200, "text/xml", ASSUMED.format(id=key_id, key=secret, session=session)

    def answer(self, method, path, headers, body):
        form = urllib.parse.parse_qs(body.decode())
        if form.get("Action") == ["AssumeRoleWithWebIdentity"]:
            return self.assume(form)
        self.hosts.append(headers["Host"])
        try:
            key_id, arn = self.identify(method, path, headers, body)
        except (ValueError, KeyError, AttributeError) as e:
            return 403, "text/xml", REFUSAL.format(message=e)
        return 200, "text/xml", IDENTITY.format(arn=arn, id=key_id)

    def identify(self, method, path, headers, body):
        found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([a-z0-9-]+)/sts/aws4_request, "
                             r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
                             headers["Authorization"])
        key_id, day, region, names, signature = found.groups()
        secret, session, arn = self.keys[key_id]
        if (headers["X-Amz-Security-Token"] or None) != session:
            raise ValueError("wrong session token")
        names = names.split(";")
        for needed in ("host", "x-amz-date"):
            if needed not in names:
                raise ValueError(f"{needed} is not signed")
        host = headers["Host"]
        if host != "sts.amazonaws.com" and host != f"sts.{region}.amazonaws.com":
            raise ValueError(f"{host} is not of {region}")
        if urllib.parse.parse_qs(body.decode()) != {"Action": ["GetCallerIdentity"],
                                                    "Version": ["2011-06-15"]}:
            raise ValueError("another action")
        canonical = "\n".join([method, "/", "", *(f"{n}:{headers[n].strip()}" for n in names), "",
                               ";".join(names), hashlib.sha256(body).hexdigest()])
        text = "\n".join(["AWS4-HMAC-SHA256", headers["X-Amz-Date"],
                          f"{day}/{region}/sts/aws4_request",
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in (day, region, "sts", "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if key.hex() != signature:
            raise ValueError("the signature we calculated does not match")
        return key_id, arn


class FakeMetadata(Web):
    """An instance's metadata, version 2: nothing without a token. `role` may be None."""

    TOKEN = "metadata-token"

    def __init__(self, role, key_id, secret, session):
        super().__init__(self.answer)
        self.role = role
        self.keys = {"Code": "Success", "AccessKeyId": key_id, "SecretAccessKey": secret,
                     "Token": session, "Expiration": "2099-01-01T00:00:00Z"}

    def answer(self, method, path, headers, body):
        if (method, path) == ("PUT", "/latest/api/token"):
            good = int(headers["X-aws-ec2-metadata-token-ttl-seconds"] or 0) > 0
            return (200, "text/plain", self.TOKEN) if good else (400, "text/plain", "")
        if headers["X-aws-ec2-metadata-token"] != self.TOKEN:
            return 401, "text/plain", ""
        top = "/latest/meta-data/iam/security-credentials/"
        if self.role and path == top:
            return 200, "text/plain", self.role
        if self.role and path == top + self.role:
            return 200, "application/json", json.dumps(self.keys)
        return 404, "text/plain", ""


class FakeContainer(Web):
    """The service of ECS and EKS beside a container: keys at a path, for callers with the token."""

    def __init__(self, path, token, key_id, secret, session):
        super().__init__(self.answer)
        self.path = path
        self.token = token
        self.keys = {"AccessKeyId": key_id, "SecretAccessKey": secret, "Token": session,
                     "Expiration": "2099-01-01T00:00:00Z"}

    def answer(self, method, path, headers, body):
        if headers["Authorization"] != self.token:
            return 401, "text/plain", "no"
        if (method, path) != ("GET", self.path):
            return 404, "text/plain", "no"
        return 200, "application/json", json.dumps(self.keys)
