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
   * Goes to `url`, signs in where a form asks for it, and returns the URL that leads back to the client.
   *
   * @returns {Promise<URL>}
   */
  async function authorize(url, redirectUri, user) {
    let next = url;
    let response = await request(next);
    for (let step = 0; step < STEPS_MAX; step += 1) {
      const location = response.headers.get("location");
      if (location) {
        next = new URL(location, next);
        if (next.href.startsWith(redirectUri)) return next;
        response = await request(next);
        continue;
      }
      const page = await response.text();
      if (!response.ok) throw new Error(`${next} answered ${response.status}: ${page}`);
      const form = readForm(page, next);
      next = form.action;
      const headers = { "content-type": "application/x-www-form-urlencoded", origin: next.origin };
      response = await request(next, { method: "POST", headers, body: fillIn(form.fields, user) });
    }
    throw new Error(`no way back to the client after ${STEPS_MAX} steps`);
  }

  return { authorize };
}

function readForm(page, pageUrl) {
  const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(page);
  if (!form) throw new Error(`no form on ${pageUrl}: ${page}`);
  const fields = [...form[2].matchAll(/<input\b([^>]*)>/gi)].map(([, text]) => attributes(text));
  return { action: new URL(attributes(form[1]).action || pageUrl, pageUrl), fields };
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
    const typed = { password: user.password, text: user.login, email: user.login }[type];
    body.append(name, typed ?? value);
  }
  return body;
}
