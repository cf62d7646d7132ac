// An OAuth client that others wrote (panva's openid-client), and a resource server's check (panva's jose).
//
// It reads one JSON object from stdin, does what `steps` names one after the other, and prints one JSON line a step:
// what came back, or the error that the library raised. Nothing here knows Narrowgate.

import { createPrivateKey } from 'node:crypto';
import { text } from 'node:stream/consumers';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';

import { User } from './user.mjs';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const { issuer, steps } = JSON.parse(await text(process.stdin));

async function authentication({ method, secret, key, algorithm }) {
  switch (method) {
    case 'client_secret_basic':
      return client.ClientSecretBasic(secret);
    case 'client_secret_post':
      return client.ClientSecretPost(secret);
    case 'private_key_jwt': {
      const pkcs8 = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
      const parameters = { ES256: { name: 'ECDSA', namedCurve: 'P-256' }, EdDSA: { name: 'Ed25519' } }[algorithm];
      return client.PrivateKeyJwt(await crypto.subtle.importKey('pkcs8', pkcs8, parameters, false, ['sign']));
    }
    default:
      return client.None();
  }
}

async function discover(step) {
  const options = { algorithm: step.discovery ?? 'oauth2', execute: [client.allowInsecureRequests] };
  return client.discovery(new URL(issuer), step.client, undefined, await authentication(step), options);
}

const known = { tokens: [], user: new User() };
// A step may mean the token that an earlier one brought.
const token = (step) => step.token ?? known.tokens[step.token_of];

const VERBS = {
  async metadata(step) {
    return (await discover(step)).serverMetadata();
  },
  async client_credentials(step) {
    return client.clientCredentialsGrant(await discover(step), step.parameters);
  },
  async authorize(step) {
    const config = await discover(step);
    const [verifier, state] = [client.randomPKCECodeVerifier(), client.randomState()];
    const challenge = await client.calculatePKCECodeChallenge(verifier);
    const asked = [
      ['redirect_uri', step.redirect_uri],
      ['state', state],
      ['code_challenge', challenge],
      ['code_challenge_method', 'S256'],
      ...Object.entries(step.parameters ?? {}),
      ...step.resources.map((resource) => ['resource', resource]),
    ];
    const build = step.pushed ? client.buildAuthorizationUrlWithPAR : client.buildAuthorizationUrl;
    const url = await build(config, new URLSearchParams(asked));
    const back = await known.user.go(url);
    const checks = { pkceCodeVerifier: verifier, expectedState: state };
    const answer = await client.authorizationCodeGrant(config, back, checks, step.at && { resource: step.at });
    known.refresh_token = answer.refresh_token;
    return { ...answer, asked: [...url.searchParams.keys()] };
  },
  async refresh(step) {
    const answer = await client.refreshTokenGrant(await discover(step), known.refresh_token, step.parameters);
    known.refresh_token = answer.refresh_token;
    return answer;
  },
  async exchange(step) {
    const parameters = { subject_token: token(step), subject_token_type: ACCESS_TOKEN, ...step.parameters };
    return client.genericGrantRequest(await discover(step), TOKEN_EXCHANGE, parameters);
  },
  async verify(step) {
    const keys = createRemoteJWKSet(new URL((await discover(step)).serverMetadata().jwks_uri));
    const { payload, protectedHeader } = await jwtVerify(token(step), keys, {
      issuer,
      audience: step.audience,
      typ: 'at+jwt',
      requiredClaims: ['sub', 'client_id', 'iat', 'exp', 'jti'],
    });
    return { payload, header: protectedHeader };
  },
  async introspect(step) {
    return client.tokenIntrospection(await discover(step), token(step));
  },
  async revoke(step) {
    await client.tokenRevocation(await discover(step), token(step));
    return {};
  },
};

for (const step of steps) {
  let answer;
  try {
    answer = await VERBS[step.verb](step);
    known.tokens.push(answer.access_token);
  } catch (error) {
    known.tokens.push(undefined);
    const { name, code, status, error: told } = error;
    answer = { failed: { name, code, status, error: told, message: error.message } };
  }
  console.log(JSON.stringify(answer));
}
