# SPDX-License-Identifier: Apache-2.0
"""The one call of the Kubernetes API that a login needs: TokenReview. Service accounts are those that
the test has made."""

import json

from web import Web


class FakeKubernetes(Web):
    def __init__(self, signer):
        super().__init__(self.review)
        self.signer = signer
        self.accounts = {}

    def account(self, name, namespace="default"):
        """A new token of a service account; the older ones stay good."""
        token = self.signer.sign(
            iss="https://kubernetes.default.svc.cluster.local",
            aud=["https://kubernetes.default.svc.cluster.local"],
            sub=f"system:serviceaccount:{namespace}:{name}",
            **{"kubernetes.io": {"namespace": namespace,
                                 "serviceaccount": {"name": name, "uid": f"uid-of-{name}"}}})
        self.accounts[token] = (name, namespace)
        return token

    def forget(self, token):
        del self.accounts[token]

    def review(self, method, path, headers, body):
        if method != "POST" or not path.endswith("/tokenreviews"):
            return 404, "application/json", "{}"
        spec = json.loads(body)["spec"]
        found = self.accounts.get(spec["token"])
        status = {"authenticated": False, "error": "the token is unknown"}
        if found:
            status = {"authenticated": True, "audiences": spec.get("audiences", []), "user": {
                "username": f"system:serviceaccount:{found[1]}:{found[0]}",
                "uid": f"uid-of-{found[0]}",
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{found[1]}"]}}
        return 201, "application/json", json.dumps(
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
