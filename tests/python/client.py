"""An OAuth client that others wrote (Authlib).

Reads one JSON object from stdin, does what `steps` names one after the other, and prints one JSON line a step: what came
back, or the error that the library raised. Nothing here knows Narrowgate.
"""

import json
import sys
import time

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

asked = json.load(sys.stdin)
metadata = requests.get(asked["issuer"] + "/.well-known/oauth-authorization-server", timeout=10).json()
tokens = []


def session(step):
    method = step["method"]
    if method != "private_key_jwt":
        return OAuth2Session(step["client"], step.get("secret"), token_endpoint_auth_method=method)
    key = ECKey.import_key(step["key"])
    key_session = OAuth2Session(step["client"], key, token_endpoint_auth_method=method)
    # The audience of an assertion is the issuer (draft-ietf-oauth-rfc7523bis); left to itself, Authlib names the token
    # endpoint, and its assertions live for an hour.
    signing = PrivateKeyJWT(asked["issuer"], alg=step["algorithm"], claims={"exp": int(time.time()) + 60})
    key_session.register_client_auth_method(signing)
    return key_session


def token(step):
    return step.get("token") or tokens[step["token_of"]]


def client_credentials(step):
    return session(step).fetch_token(metadata["token_endpoint"], grant_type="client_credentials", **step["parameters"])


def exchange(step):
    return session(step).fetch_token(
        metadata["token_endpoint"],
        grant_type=TOKEN_EXCHANGE,
        subject_token=token(step),
        subject_token_type=ACCESS_TOKEN,
        **step["parameters"],
    )


def introspect(step):
    return session(step).introspect_token(metadata["introspection_endpoint"], token=token(step)).json()


def revoke(step):
    answer = session(step).revoke_token(metadata["revocation_endpoint"], token=token(step))
    return {"status": answer.status_code}


VERBS = {
    "client_credentials": client_credentials,
    "exchange": exchange,
    "introspect": introspect,
    "revoke": revoke,
}

for step in asked["steps"]:
    try:
        answer = VERBS[step["verb"]](step)
        tokens.append(answer.get("access_token"))
    except Exception as error:  # whatever the library raises is the answer
        tokens.append(None)
        answer = {"failed": {"name": type(error).__name__, "error": getattr(error, "error", None), "message": str(error)}}
    print(json.dumps(answer), flush=True)
