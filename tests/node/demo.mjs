// Somebody who tries the demo in a browser (Chromium, by playwright-core): signs in, consents to two APIs at once, and sees two
// tokens, each of which opens its own API alone. It reads one JSON object from stdin.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { chromium } from 'playwright-core';

const task = JSON.parse(await text(process.stdin));
const browser = await chromium.launch({ executablePath: task.chromium, args: ['--no-sandbox'] });
try {
  for (const width of [360, 1280]) {
    const context = await browser.newContext({ viewport: { width, height: 800 } });
    const page = await context.newPage();
    const complaints = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    const seen = async (name) => {
      await page.screenshot({ path: join(task.screenshots, `demo-${name}-${width}.png`), fullPage: true });
      const [is, has] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(is <= has, `${name} is ${is} wide, and there is room for ${has}`);
    };
    await page.goto(task.page);
    await seen('start');
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel('Name').fill('alice');
    await page.getByLabel('Password').fill('demo');
    await page.getByRole('button', { name: 'Sign in' }).click();
    if (width === 360) {
      await page.getByRole('button', { name: 'Deny' }).click();
      await page.getByText('access_denied').waitFor();
      await seen('refused');
      await page.getByRole('link', { name: 'Once more' }).click();
      await page.getByRole('link', { name: 'Sign in' }).click();
      await page.getByRole('button', { name: 'Allow' }).click();
    }
    // Whoever has agreed is not asked again.
    await page.getByRole('heading', { name: 'Two tokens, each for one API' }).waitFor();
    await seen('tokens');
    const claims = (await page.locator('pre').allTextContents()).map((shown) => JSON.parse(shown));
    assert.equal(claims.length, 2);
    const [one, two] = claims;
    assert.ok(one.aud.endsWith('/api1') && two.aud.endsWith('/api2'), `${one.aud} and ${two.aud}`);
    assert.deepEqual([one.scope, two.scope], ['read write', 'reports']);
    assert.deepEqual([one.sub, two.sub], ['local|alice', 'local|alice']);
    assert.deepEqual(await page.locator('li strong').allTextContents(), ['200', '401', '401', '200']);
    assert.deepEqual(complaints, []);
    await context.close();
  }
} finally {
  await browser.close();
}
console.log('done');
