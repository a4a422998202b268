// The management API, called as an administrator's script would.

/** Calls that must succeed; the answer's JSON. */
export function management(baseUrl, adminToken) {
  return async (method, path, body) => {
    const response = await fetch(baseUrl + path, {
      method,
      headers: { authorization: `SSWS ${adminToken}`, accept: "application/json", "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text && JSON.parse(text);
  };
}

/**
 * An authorization server whose only rule has the hook, one client of each kind, one user.
 *
 * @returns {Promise<{ issuer: string, audience: string, service: object, web: object, user: object }>}
 */
export async function provision({ baseUrl, adminToken, hookUrl, hookSecret, redirectUri }) {
  const call = management(baseUrl, adminToken);
  const hook = await call("POST", "/api/v1/inlineHooks", {
    name: "Interop token hook",
    type: "com.okta.oauth2.tokens.transform",
    version: "1.0.0",
    channel: {
      type: "HTTP",
      version: "1.0.0",
      config: {
        uri: hookUrl,
        method: "POST",
        headers: [],
        authScheme: { type: "HEADER", key: "Authorization", value: hookSecret },
      },
    },
  });

  const audience = "https://orders.example.com";
  const server = await call("POST", "/api/v1/authorizationServers", {
    name: "Interop",
    description: "Under test by other people's clients",
    audiences: [audience],
  });
  const path = `/api/v1/authorizationServers/${server.id}`;
  await call("POST", `${path}/scopes`, { name: "orders.read", description: "Read orders" });
  const policy = await call("POST", `${path}/policies`, {
    type: "OAUTH_AUTHORIZATION_POLICY",
    status: "ACTIVE",
    name: "Everybody",
    description: "Every client",
    priority: 1,
    conditions: { clients: { include: ["ALL_CLIENTS"] } },
  });
  await call("POST", `${path}/policies/${policy.id}/rules`, {
    type: "RESOURCE_ACCESS",
    status: "ACTIVE",
    name: "Every grant",
    priority: 1,
    conditions: {
      people: { groups: { include: ["EVERYONE"] }, users: { include: [] } },
      grantTypes: { include: ["authorization_code", "client_credentials"] },
      scopes: { include: ["*"] },
    },
    actions: {
      token: {
        accessTokenLifetimeMinutes: 60,
        refreshTokenLifetimeMinutes: 0,
        refreshTokenWindowMinutes: 10_080,
        inlineHook: { id: hook.id },
      },
    },
  });

  const service = await call("POST", "/oauth2/v1/clients", {
    client_name: "Nightly job",
    application_type: "service",
    grant_types: ["client_credentials"],
    response_types: ["token"],
    token_endpoint_auth_method: "client_secret_basic",
  });
  const web = await call("POST", "/oauth2/v1/clients", {
    client_name: "Storefront",
    application_type: "web",
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: "client_secret_basic",
  });
  const browser = await call("POST", "/oauth2/v1/clients", {
    client_name: "Single page",
    application_type: "browser",
    grant_types: ["authorization_code"],
    response_types: ["code"],
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: "none",
  });

  const credentials = { login: "ada@example.com", password: "Corkscrew-7-orbit" };
  const user = await call("POST", "/api/v1/users?activate=true", {
    profile: { firstName: "Ada", lastName: "Okoye", email: credentials.login, login: credentials.login },
    credentials: { password: { value: credentials.password } },
  });
  return {
    issuer: `${baseUrl}/oauth2/${server.id}`,
    audience,
    service,
    web,
    browser,
    user: { id: user.id, ...credentials },
  };
}
