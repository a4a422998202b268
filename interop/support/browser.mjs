// As much of a browser as a sign-in page without scripts needs: cookies, redirects, one form.

const STEPS_MAX = 10;

/** A browser with an empty cookie jar. */
export function openBrowser() {
  const cookies = new Map();

  async function request(url, options = {}) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { accept: "text/html", ...options.headers, ...(cookie && { cookie }) };
    const response = await fetch(url, { ...options, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/;\s*max-age=0\b/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  }

  /**
   * Goes to `url` and on to where redirects and forms lead, and signs in where a form asks for a password.
   *
   * @param {string} [options.stop] requests to URLs that begin with it are not sent but returned
   * @param {object} [options.user] who signs in; without, the page that asks is the end
   * @returns {Promise<{ request?: { url: URL, fields?: URLSearchParams }, status?: number, page?: string, url?: URL }>} the request
   *   that was not sent, or the last page
   */
  async function follow(url, { stop, user } = {}) {
    let next = { url: new URL(url) };
    for (let step = 0; step < STEPS_MAX; step += 1) {
      if (stop && next.url.href.startsWith(stop)) return { request: next };
      const response = await send(next);
      const location = response.headers.get("location");
      if (location) {
        next = { url: new URL(location, next.url) };
        continue;
      }
      const page = await response.text();
      const last = { status: response.status, page, url: next.url };
      const form = /^text\/html\b/.test(response.headers.get("content-type")) && readForm(page, next.url);
      if (!form || (asksForPassword(form) && !(user && response.ok))) return last;
      next = { url: form.action, fields: fillIn(form.fields, user), from: next.url };
    }
    throw new Error(`no end after ${STEPS_MAX} steps`);
  }

  function send({ url, fields, from }) {
    if (!fields) return request(url);
    const headers = { "content-type": "application/x-www-form-urlencoded", origin: from.origin };
    return request(url, { method: "POST", headers, body: fields });
  }

  /**
   * Goes to `url`, signs in where a form asks for it, and returns the URL that leads back to the client.
   *
   * @returns {Promise<URL>}
   */
  async function authorize(url, redirectUri, user) {
    const { request, status, page, url: at } = await follow(url, { stop: redirectUri, user });
    if (!request) throw new Error(`${at} answered ${status}: ${page}`);
    return request.url;
  }

  return { authorize, follow, send };
}

function readForm(page, pageUrl) {
  const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(page);
  if (!form) return undefined;
  const fields = [...form[2].matchAll(/<input\b((?:"[^"]*"|'[^']*'|[^>"'])*)>/gi)].map(([, text]) => attributes(text));
  return { action: new URL(attributes(form[1]).action || pageUrl, pageUrl), fields };
}

function asksForPassword(form) {
  return form.fields.some(({ type }) => type === "password");
}

function attributes(text) {
  const found = [...text.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/g)];
  return Object.fromEntries(found.map(([, name, a, b, c]) => [name.toLowerCase(), decode(a ?? b ?? c)]));
}

function decode(text) {
  const named = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) =>
    hex || decimal ? String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)) : (named[name] ?? whole),
  );
}

function fillIn(fields, user) {
  const body = new URLSearchParams();
  for (const { name, type = "text", value = "" } of fields) {
    if (!name || type === "submit") continue;
    const typed = user && { password: user.password, text: user.login, email: user.login }[type];
    body.append(name, typed ?? value);
  }
  return body;
}
