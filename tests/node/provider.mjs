// An OpenID provider that others wrote (panva's oidc-provider), set up as tests need it: JWT access tokens for one
// resource each (RFC 8707), client credentials, three signing algorithms, and keys that are rotated on demand.
//
// It listens on a loopback port of the system's choice, says so on stdout, and ends when its stdin ends.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

// A client's id says how its tokens are signed.
const ALGORITHMS = { rs256: 'RS256', es256: 'ES256', eddsa: 'EdDSA' };

const KEY_TYPES = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

function newKey(alg) {
  const [type, options] = KEY_TYPES[alg];
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg };
}

function newProvider(issuer) {
  const client = (id) => ({
    client_id: id,
    client_secret: `secret-of-${id}`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  });
  return new Provider(issuer, {
    clients: Object.keys(ALGORITHMS).map(client),
    jwks: { keys: Object.values(ALGORITHMS).map(newKey) },
    scopes: ['read', 'reports'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_ctx, resource, client) => ({
          audience: resource,
          scope: 'read reports',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: ALGORITHMS[client.clientId] } },
        }),
      },
    },
  });
}

let handle;
const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/fixture/rotate') {
    handle = newProvider(issuer()).callback();
    response.writeHead(204).end();
    return;
  }
  handle(request, response);
});
const issuer = () => `http://127.0.0.1:${server.address().port}`;

server.listen(0, '127.0.0.1', () => {
  handle = newProvider(issuer()).callback();
  console.log(`listening on ${issuer()}`);
});
process.stdin.on('end', () => process.exit(0)).resume();
