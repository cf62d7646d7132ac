// A user with a browser: keeps cookies, follows redirects, and allows whatever a page asks. Where a redirect leads away from
// loopback, that is where he ends.

const MOST = 20;

const attribute = (html, name) => new RegExp(`\\b${name}="([^"]*)"`).exec(html)?.[1];

export class User {
  #cookies = new Map();

  // Goes to a place, and on from there; the URL where that ends.
  async go(url, options = {}) {
    let [next, how] = [new URL(url), options];
    for (let count = 0; count < MOST && next.hostname === '127.0.0.1'; count += 1) {
      const answer = await this.#ask(next, how);
      const page = await answer.text();
      if (answer.headers.has('location')) {
        [next, how] = [new URL(answer.headers.get('location'), next), {}];
      } else {
        if (answer.status !== 200 || !page.includes('<form ')) throw new Error(`${answer.status} at ${next}: ${page}`);
        const form = new URLSearchParams({ answer: 'allow' });
        for (const [input] of page.matchAll(/<input [^>]*>/g)) form.append(attribute(input, 'name'), attribute(input, 'value'));
        [next, how] = [new URL(attribute(/<form [^>]*>/.exec(page)[0], 'action'), next), { method: 'POST', body: form }];
      }
    }
    return next;
  }

  async #ask(url, options) {
    const jar = this.#cookies.get(url.origin) ?? new Map();
    this.#cookies.set(url.origin, jar);
    const headers = { cookie: [...jar].map((pair) => pair.join('=')).join('; ') };
    const answer = await fetch(url, { ...options, headers, redirect: 'manual' });
    for (const cookie of answer.headers.getSetCookie()) {
      const [name, ...value] = cookie.split(';')[0].split('=');
      jar.set(name, value.join('='));
    }
    return answer;
  }
}
