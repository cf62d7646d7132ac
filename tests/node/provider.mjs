// An OpenID provider that others wrote (panva's oidc-provider), set up as tests need it: JWT access tokens for one
// resource each (RFC 8707), client credentials, three signing algorithms, and keys that are rotated on demand. Users log in
// as whoever `login_hint` names, without a page, at relying parties that a test registers.
//
// With `--pages` users meet the provider's own pages instead, and any name and password will do.
//
// It listens on a loopback port of the system's choice, says so on stdout, and ends when its stdin ends.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

import Provider from 'oidc-provider';

const hasPages = process.argv.includes('--pages');

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

const newKeys = () => Object.values(ALGORITHMS).map(newKey);

let current;
let keys = newKeys();
let parties = [];

function newProvider(issuer) {
  const client = (id) => ({
    client_id: id,
    client_secret: `secret-of-${id}`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  });
  const provider = new Provider(issuer, {
    clients: [...Object.keys(ALGORITHMS).map(client), ...parties],
    // Asked for by scopes, and told at UserInfo alone.
    claims: { openid: ['sub', 'acr', 'amr'], email: ['email'], groups: ['groups'] },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, groups: ['staff'] }),
    }),
    ...(hasPages ? {} : { interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` } }),
    acrValues: ['urn:example:mfa'],
    pkce: { required: () => true },
    cookies: { keys: ['a key for tests'] },
    ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 300, IdToken: 300, Interaction: 300, Session: 300 },
    jwks: { keys },
    scopes: ['openid', 'offline_access', 'read', 'reports'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: hasPages },
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
  return { handle: provider.callback(), interact: (request, response) => interact(provider, request, response) };
}

// What a user would do at the provider's pages.
async function interact(provider, request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const who = params.login_hint ?? 'ada';
  if (who === 'nobody') {
    const result = { error: 'access_denied', error_description: 'canary: the user said no' };
    return provider.interactionFinished(request, response, result);
  }
  if (prompt.name === 'login') {
    const login = { accountId: who, acr: 'urn:example:mfa', amr: ['pwd', 'otp'] };
    return provider.interactionFinished(request, response, { login });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const server = createServer(async (request, response) => {
  if (request.method === 'POST' && request.url === '/fixture/rotate') {
    keys = newKeys();
    current = newProvider(issuer());
    response.writeHead(204).end();
    return;
  }
  if (request.method === 'POST' && request.url === '/fixture/parties') {
    parties = await json(request);
    current = newProvider(issuer());
    response.writeHead(204).end();
    return;
  }
  if (!hasPages && request.url.startsWith('/interaction/')) {
    await current.interact(request, response);
    return;
  }
  current.handle(request, response);
});
const issuer = () => `http://127.0.0.1:${server.address().port}`;

server.listen(0, '127.0.0.1', () => {
  current = newProvider(issuer());
  console.log(`listening on ${issuer()}`);
});
process.stdin.on('end', () => process.exit(0)).resume();
