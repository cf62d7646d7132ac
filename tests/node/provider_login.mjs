// A user at a real browser (Chromium, by playwright-core) who logs in at the pages of an OpenID provider that others wrote
// (oidc-provider), unticks a scope, and another time says no. It reads one JSON object from stdin: the issuer, the client, and
// what it asks for.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';

import { chromium } from 'playwright-core';

const task = JSON.parse(await text(process.stdin));

function request(state) {
  const verifier = randomBytes(32).toString('base64url');
  const url = new URL(`${task.issuer}/authorize`);
  url.search = new URLSearchParams({
    client_id: task.client,
    redirect_uri: task.callback,
    response_type: 'code',
    scope: 'read write reports',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state,
  });
  task.resources.forEach((resource) => url.searchParams.append('resource', resource));
  return { url: url.href, verifier };
}

async function token(verifier, code, resource) {
  const response = await fetch(`${task.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${task.client}:${task.secret}`).toString('base64')}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: task.callback,
      resource,
    }),
  });
  return response.json();
}

const browser = await chromium.launch({ executablePath: task.chromium, args: ['--no-sandbox'] });
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  // Nobody is at the client's place: that the browser would go there is what counts.
  const answer = async (page, work) => {
    const [asks] = await Promise.all([page.waitForRequest((asks) => asks.url().startsWith(task.callback)), work().catch(() => {})]);
    return new URL(asks.url()).searchParams;
  };

  const asked = request('one');
  const page = await context.newPage();
  await page.goto(asked.url);
  assert.ok(page.url().startsWith(task.provider), `the provider asks, not ${page.url()}`);
  await page.locator('input[name=login]').fill('grace');
  await page.locator('input[name=password]').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  // The provider asks whether the gateway may know him.
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL(`${task.issuer}/consent?*`);
  await page.getByLabel('write').uncheck();
  const granted = await answer(page, () => page.getByRole('button', { name: 'Allow' }).click());
  assert.deepEqual([granted.get('state'), granted.get('iss')], ['one', task.issuer]);
  const given = await token(asked.verifier, granted.get('code'), task.resources[0]);
  assert.equal(given.scope, 'read', JSON.stringify(given));
  const claims = JSON.parse(Buffer.from(given.access_token.split('.')[1], 'base64url'));
  assert.deepEqual([claims.sub, claims.aud, claims.scope], ['panva|grace', task.resources[0], 'read']);

  const another = await context.newPage();
  await another.goto(request('two').url);
  const denied = await answer(another, () => another.getByRole('button', { name: 'Deny' }).click());
  assert.deepEqual([denied.get('error'), denied.get('state'), denied.get('code')], ['access_denied', 'two', null]);
} finally {
  await browser.close();
}
console.log('done');
