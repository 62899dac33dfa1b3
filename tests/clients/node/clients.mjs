// OAuth libraries of npm against a running Credenza, as their users use them.

import assert from "node:assert/strict";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";

const { CREDENZA_URL, CREDENZA_TENANT, CREDENZA_CLIENT_ID, CREDENZA_CLIENT_SECRET } = process.env;
const issuer = new URL(`${CREDENZA_URL}/identity`);
const list = new URL(
  `${CREDENZA_URL}/api/v1/Tenants/${CREDENZA_TENANT}/ClientCredentialClients?count=5`,
);
const client = { client_id: CREDENZA_CLIENT_ID };
const plainHttp = { [oauth.allowInsecureRequests]: true };

const ok = (what) => console.log(`ok ${what}`);

async function discover(algorithm) {
  const answer = await oauth.discoveryRequest(issuer, { algorithm, ...plainHttp });
  return oauth.processDiscoveryResponse(issuer, answer);
}

async function fetchToken(server, authentication) {
  const answer = await oauth.clientCredentialsGrantRequest(
    server,
    client,
    authentication,
    new URLSearchParams({ scope: "ocsapi" }),
    plainHttp,
  );
  return oauth.processClientCredentialsResponse(server, client, answer);
}

async function j10_jose_verifies(server, token) {
  const keys = createRemoteJWKSet(new URL(server.jwks_uri));
  const options = { issuer: server.issuer, audience: "ocsapi", typ: "at+jwt" };
  const { payload, protectedHeader } = await jwtVerify(token, keys, options);
  assert.equal(protectedHeader.alg, "ES256");
  assert.equal(payload.sub, `${CREDENZA_TENANT}/${CREDENZA_CLIENT_ID}`);
  const other = jwtVerify(token, keys, { ...options, audience: "other" });
  await assert.rejects(other, errors.JWTClaimValidationFailed);
  const later = new Date((payload.exp + 1) * 1000);
  await assert.rejects(
    jwtVerify(token, keys, { ...options, currentDate: later }),
    errors.JWTExpired,
  );
}

// The library's own check of what RFC 9068 wants of an access token.
async function j10_oauth4webapi_accepts(server, token) {
  const request = new Request(list, { headers: { authorization: `Bearer ${token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, "ocsapi", plainHttp);
  assert.equal(claims.client_id, CREDENZA_CLIENT_ID);
}

async function callApi(token) {
  const answer = await oauth.protectedResourceRequest(
    token,
    "GET",
    list,
    undefined,
    undefined,
    plainHttp,
  );
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).length, 5);
}

// A refusal reaches the library's user with its code.
async function refused(attempt, status, code) {
  await assert.rejects(attempt, (error) => {
    assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, String(error));
    assert.equal(error.status, status);
    const said = error.cause[0].parameters.error;
    assert.equal(said, code);
    return true;
  });
}

for (const algorithm of ["oauth2", "oidc"]) {
  const server = await discover(algorithm);
  assert.deepEqual(server.grant_types_supported, ["client_credentials"]);
  ok(`oauth4webapi discovers, ${algorithm}`);
  for (const way of ["ClientSecretBasic", "ClientSecretPost"]) {
    const token = await fetchToken(server, oauth[way](CREDENZA_CLIENT_SECRET));
    assert.equal(token.token_type, "bearer");
    assert.equal(token.expires_in, 3600);
    await j10_jose_verifies(server, token.access_token);
    await j10_oauth4webapi_accepts(server, token.access_token);
    await callApi(token.access_token);
    await refused(fetchToken(server, oauth[way]("wrong")), 401, undefined);
    ok(`oauth4webapi and jose, ${algorithm}, ${way}`);
  }
}
await refused(callApi("garbage"), 401, "invalid_token");
ok("oauth4webapi tells a refused token");
