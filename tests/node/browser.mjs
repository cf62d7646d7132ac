// A user at a real browser (Chromium, driven by playwright-core), who has no mouse: from a client's request over login and
// consent back to the client, and then to what he allowed. Each page is held to what every page must be, and is
// photographed, narrow and wide, light and dark.
//
// It reads one JSON object from stdin: the issuer, where Chromium is, where the pictures go, Alice's password, and the looks:
// how wide, and light or dark.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { chromium } from 'playwright-core';

const task = JSON.parse(await text(process.stdin));
const DOCUMENTS = 'https://documents.a-company-with-a-rather-long-name.example.com/collections/of/everything';
const REPORTS = 'https://reports.example.com';
const CASES = 'https://cases.example.com';
const FAR_AWAY = 'https://app.example.com/callback';

// The client on the user's machine.
const server = createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!DOCTYPE html><title>Back</title><link rel="icon" href="data:,">Back at the client');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const MACHINE = `http://127.0.0.1:${server.address().port}/callback`;

function request(client, redirectUri, resources, more = {}) {
  const verifier = randomBytes(32).toString('base64url');
  const url = new URL(`${task.issuer}/authorize`);
  url.search = new URLSearchParams({
    client_id: client,
    redirect_uri: redirectUri,
    response_type: 'code',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'of this client',
    ...more,
  });
  resources.forEach((resource) => url.searchParams.append('resource', resource));
  return { url: url.href, verifier };
}

// What every page must be, measured where a user sees it.
async function measured(page) {
  return page.evaluate(() => {
    const faults = [];
    const visible = (element) => element.getClientRects().length > 0;
    const named = (element) => `${element.tagName.toLowerCase()} "${(element.textContent || element.name || '').trim().slice(0, 40)}"`;
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) faults.push(`it is ${root.scrollWidth} wide, and there is room for ${root.clientWidth}`);
    if (root.lang !== 'en') faults.push('it has no language');
    if (document.querySelectorAll('h1').length !== 1) faults.push('it has not one heading');
    if (!document.title) faults.push('it has no title');
    for (const element of document.querySelectorAll('input:not([type=hidden])')) {
      if (!element.labels.length) faults.push(`${named(element)} has no label`);
    }
    for (const element of document.querySelectorAll('fieldset')) {
      if (!element.querySelector('legend')?.textContent.trim()) faults.push('a group has no legend');
    }
    for (const element of document.querySelectorAll('button, .button, .field input, label.tick')) {
      const box = element.getBoundingClientRect();
      if (visible(element) && box.height < 44) faults.push(`${named(element)} is ${box.height} high`);
    }
    const parts = (color) => color.match(/[\d.]+/g).map(Number);
    const luminance = ([red, green, blue]) => {
      const [r, g, b] = [red, green, blue].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = parts(getComputedStyle(at).backgroundColor);
        if (color.length < 4 || color[3] === 1) return color;
      }
      return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.textContent.trim() || !visible(element)) continue;
      const [one, other] = [luminance(parts(getComputedStyle(element).color)), luminance(behind(element))];
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      if (contrast < 4.5) faults.push(`${named(element)} has a contrast of ${contrast.toFixed(2)}`);
    }
    return faults;
  });
}

// Goes on with Tab until a matching element has the focus, which has to be seen.
async function tabTo(page, selector) {
  for (let count = 0; count < 40; count += 1) {
    await page.keyboard.press('Tab');
    const [is, outline] = await page.evaluate((wanted) => {
      const at = document.activeElement;
      return [at.matches(wanted), getComputedStyle(at).outlineStyle];
    }, selector);
    assert.notEqual(outline, 'none', `nobody sees where the focus is on the way to ${selector}`);
    if (is) return;
  }
  assert.fail(`no key leads to ${selector}`);
}

async function walk(browser, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme, ignoreHTTPSErrors: true });
  const complaints = [];
  const newTab = async () => {
    const tab = await context.newPage();
    tab.on('console', (message) => {
      // A page with such a status is what is asked for.
      if (!/status of 4(00|01)|ERR_NAME_NOT_RESOLVED/.test(message.text())) complaints.push(`${tab.url().slice(0, 60)}: ${message.text()}`);
    });
    tab.on('pageerror', (error) => complaints.push(String(error)));
    return tab;
  };
  // Nobody is there: that the browser would go is what counts.
  const toFarAway = async (tab, work) => {
    const [asks] = await Promise.all([tab.waitForRequest((asks) => asks.url().startsWith(FAR_AWAY)), work().catch(() => {})]);
    await tab.close();
    return new URL(asks.url()).searchParams;
  };
  const page = await newTab();
  const seen = async (name, page) => {
    await page.screenshot({ path: join(task.screenshots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    assert.deepEqual(await measured(page), [], `${name}, ${width}, ${colorScheme}`);
    assert.deepEqual(complaints, [], name);
  };

  const asked = request('command-line', MACHINE, [DOCUMENTS, REPORTS, CASES], {
    scope: 'read write transaction:7 reports export cases',
  });
  await page.goto(asked.url);
  assert.equal(await page.title(), 'Sign in');
  await seen('login', page);
  await tabTo(page, '#username');
  await page.keyboard.type('alice');
  await tabTo(page, '#password');
  await page.keyboard.type('not the password');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.problem');
  assert.equal(await page.inputValue('#username'), 'alice');
  await seen('login-failed', page);
  await tabTo(page, '#password');
  await page.keyboard.type(task.password);
  await tabTo(page, 'button.main');
  await page.keyboard.press('Enter');

  await page.waitForURL('**/consent?*');
  const prefix = task.issuer.startsWith('https:') ? '__Host-' : '';
  const cookies = await context.cookies();
  assert.deepEqual(cookies.map(({ name }) => name).sort(), [`${prefix}narrowgate-browser`, `${prefix}narrowgate-session`]);
  for (const { httpOnly, sameSite, secure } of cookies) assert.deepEqual([httpOnly, sameSite, secure], [true, 'Lax', prefix !== '']);
  assert.equal(await page.title(), 'Allow Command Line <Tool>?');
  await seen('consent', page);
  // Whoever is no programmer reads what he gives, and gives less.
  await page.getByLabel('Change your documents').focus();
  await page.keyboard.press('Space');
  assert.equal(await page.getByLabel('Change your documents').isChecked(), false);
  await tabTo(page, 'button.main');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${MACHINE}*`);
  const answer = new URL(page.url()).searchParams;
  assert.equal(answer.get('state'), 'of this client');
  assert.equal(answer.get('iss'), task.issuer);
  const response = await fetch(`${task.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'command-line',
      code: answer.get('code'),
      code_verifier: asked.verifier,
      redirect_uri: MACHINE,
      resource: DOCUMENTS,
    }),
  });
  const tokens = await response.json();
  assert.equal(response.status, 200, JSON.stringify(tokens));
  assert.deepEqual(tokens.scope.split(' ').sort(), ['read', 'transaction:7']);

  const tab = await newTab();
  await tab.goto(request('web', FAR_AWAY, [REPORTS]).url);
  assert.equal(await tab.title(), 'Allow Reporting App?');
  await seen('consent-of-a-site', tab);
  await tabTo(tab, 'button.main');
  assert.ok((await toFarAway(tab, () => tab.keyboard.press('Enter'))).get('code'));
  const again = await newTab();
  const silently = await toFarAway(again, () => again.goto(request('web', FAR_AWAY, [REPORTS]).url));
  assert.ok(silently.get('code'), 'who has agreed is not asked again');

  await page.goto(`${task.issuer}/grants`);
  await seen('grants', page);
  await tabTo(page, 'button[aria-label="Take back everything from Command Line <Tool>"]');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => !document.body.textContent.includes('Command Line'));
  await seen('grants-fewer', page);
  const refreshed = await fetch(`${task.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'command-line',
      refresh_token: tokens.refresh_token,
      resource: DOCUMENTS,
    }),
  });
  assert.equal((await refreshed.json()).error, 'invalid_grant');
  await tabTo(page, 'button[aria-label="Take back everything from Reporting App"]');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.body.textContent.includes('No application'));
  await seen('grants-none', page);
  await tabTo(page, `form[action$="/logout"] button`);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/logout');
  await seen('signed-out', page);

  await page.goto(request('nobody', 'https://evil.example/', [REPORTS]).url);
  await seen('problem', page);
  await context.close();
}

const browser = await chromium.launch({ executablePath: task.chromium, args: ['--no-sandbox'] });
try {
  for (const [width, colorScheme] of task.looks) {
    await walk(browser, width, colorScheme);
    console.log(`${width} ${colorScheme}`);
  }
} finally {
  await browser.close();
  server.close();
}
console.log('done');
