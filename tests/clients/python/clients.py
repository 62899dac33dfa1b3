"""OAuth libraries of Python against a running Credenza, as their users use them."""

import os

import jwt
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as OauthlibSession

URL = os.environ["CREDENZA_URL"]
TENANT = os.environ["CREDENZA_TENANT"]
CLIENT_ID = os.environ["CREDENZA_CLIENT_ID"]
SECRET = os.environ["CREDENZA_CLIENT_SECRET"]
ISSUER = f"{URL}/identity"
CLIENTS = f"{URL}/api/v1/Tenants/{TENANT}/ClientCredentialClients?count=5"

# oauthlib refuses plain HTTP, also on loopback, unless it is told.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def discover():
    """The metadata, from where each convention looks for it."""
    documents = []
    for url in (
        get_well_known_url(ISSUER, external=True),
        f"{ISSUER}/.well-known/openid-configuration",
    ):
        answer = requests.get(url, timeout=10)
        answer.raise_for_status()
        documents.append(answer.json())
    assert documents[0] == documents[1]
    assert documents[0]["issuer"] == ISSUER
    return documents[0]


def check_list(session):
    answer = session.get(CLIENTS)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()) == 5
    assert int(answer.headers["Total-Count"]) >= 600


def j10_joserfc_verifies(token, keys):
    decoded = joserfc_jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256"])
    assert decoded.header["typ"] == "at+jwt"
    joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": "ocsapi"},
        sub={"essential": True, "value": f"{TENANT}/{CLIENT_ID}"},
        exp={"essential": True},
        iat={"essential": True},
    ).validate(decoded.claims)


def check_with_pyjwt(token, metadata):
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        issuer=ISSUER,
        audience="ocsapi",
        options={"require": ["iss", "aud", "exp", "iat", "nbf", "sub", "jti"]},
    )
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert claims["client_id"] == CLIENT_ID
    try:
        jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience="other")
    except jwt.InvalidAudienceError:
        return
    raise AssertionError("a token for one audience is good for another")


def authlib(method, metadata):
    session = OAuth2Session(CLIENT_ID, SECRET, token_endpoint_auth_method=method)
    token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert token["token_type"] == "Bearer" and token["expires_in"] == 3600
    keys = requests.get(metadata["jwks_uri"], timeout=10).json()
    j10_joserfc_verifies(token["access_token"], keys)
    check_list(session)
    wrong = OAuth2Session(CLIENT_ID, "wrong", token_endpoint_auth_method=method)
    try:
        wrong.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    except OAuthError as error:
        assert error.error == "invalid_client", error
        return
    raise AssertionError("a wrong secret fetched a token")


def oauthlib(arguments, metadata):
    session = OauthlibSession(client=BackendApplicationClient(CLIENT_ID, scope=["ocsapi"]))
    token = session.fetch_token(metadata["token_endpoint"], **arguments(SECRET))
    assert token["token_type"] == "Bearer" and token["expires_in"] == 3600
    check_with_pyjwt(token["access_token"], metadata)
    check_list(session)
    wrong = OauthlibSession(client=BackendApplicationClient(CLIENT_ID))
    try:
        wrong.fetch_token(metadata["token_endpoint"], **arguments("wrong"))
    except InvalidClientError as error:
        assert error.status_code == 401, error
        return
    raise AssertionError("a wrong secret fetched a token")


def in_basic(secret):
    return {"auth": HTTPBasicAuth(CLIENT_ID, secret)}


def in_body(secret):
    return {"client_id": CLIENT_ID, "client_secret": secret, "include_client_id": True}


def main():
    metadata = discover()
    print("ok discovery in both places, with Authlib's address")
    authlib("client_secret_basic", metadata)
    print("ok Authlib and joserfc, Basic")
    authlib("client_secret_post", metadata)
    print("ok Authlib and joserfc, body")
    oauthlib(in_basic, metadata)
    print("ok requests-oauthlib and PyJWT, Basic")
    oauthlib(in_body, metadata)
    print("ok requests-oauthlib and PyJWT, body")


main()
