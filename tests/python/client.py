"""An OAuth client that others wrote (Authlib).

Reads one JSON object from stdin, does what `steps` names one after the other, and prints one JSON line a step: what came
back, or the error that the library raised. Nothing here knows Narrowgate.
"""

import json
import sys
import time
from urllib.parse import urlencode

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from user import User

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

asked = json.load(sys.stdin)
metadata = requests.get(asked["issuer"] + "/.well-known/oauth-authorization-server", timeout=10).json()
tokens = []
user = User()
refresh_tokens = []


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


def authorize(step):
    code_session = OAuth2Session(
        step["client"],
        step["secret"],
        token_endpoint_auth_method=step["method"],
        redirect_uri=step["redirect_uri"],
        code_challenge_method="S256",
    )
    verifier = generate_token(48)
    # Authlib knows one value for each parameter; a query that is there is kept.
    more = [*step.get("parameters", {}).items(), *(("resource", resource) for resource in step["resources"])]
    endpoint = metadata["authorization_endpoint"] + "?" + urlencode(more)
    url, _state = code_session.create_authorization_url(endpoint, code_verifier=verifier)
    at = {"resource": step["at"]} if "at" in step else {}
    answer = code_session.fetch_token(
        metadata["token_endpoint"], authorization_response=user.go(url), code_verifier=verifier, **at
    )
    refresh_tokens.append(answer["refresh_token"])
    return answer


def refresh(step):
    parameters = step["parameters"]
    answer = session(step).refresh_token(metadata["token_endpoint"], refresh_token=refresh_tokens[-1], **parameters)
    refresh_tokens.append(answer["refresh_token"])
    return answer


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
    "authorize": authorize,
    "refresh": refresh,
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
