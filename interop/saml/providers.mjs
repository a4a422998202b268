// Starts the service providers of this folder, and speaks with them.

import { fileURLToPath } from "node:url";

import { start } from "../support/program.mjs";

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const python = process.env.TENTERHOOK_PYTHON ?? "python3";
const javaLibraries = process.env.TENTERHOOK_JAVA_LIBRARIES;

/** The libraries, and the command of the service provider of each. */
export const LIBRARIES = {
  "@node-saml/node-saml": [process.execPath, file("node.mjs")],
  pysaml2: [python, file("pysaml2_provider.py")],
  "python3-saml": [python, file("python3_saml_provider.py")],
  "java-saml-core": ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", `${javaLibraries}/*`, file("java/ServiceProvider.java")],
};

/**
 * Starts a service provider whose key and certificate are in these files.
 *
 * @returns {Promise<{ url: string, acs: string, stop: () => Promise<number | null>, … }>}
 */
export async function startProvider(library, { keyFile, certificateFile }) {
  const variables = { SP_KEY: keyFile, SP_CERTIFICATE: certificateFile, PYTHONWARNINGS: "ignore" };
  const program = start(LIBRARIES[library], variables, (line) => /^listening on (http:\/\/\S+)$/.exec(line)?.[1]);
  const url = await program.line;

  async function get(path) {
    const response = await fetch(url + path);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} of ${library} answered ${response.status}: ${text}`);
    return text;
  }

  return {
    toolkit: library,
    url,
    acs: `${url}/acs`,
    entityId: `${url}/metadata`,
    stop: program.stop,
    metadata: () => get("/metadata"),
    isSignedIn: async () => JSON.parse(await get("/session")).signedIn,
    /** The URL that begins a sign-on. */
    login: (options = {}) => `${url}/login?${new URLSearchParams(options)}`,
    logout: (relayState) => `${url}/logout?${new URLSearchParams({ relayState })}`,

    /** Gives it the identity provider's metadata; nobody is signed in then. What the library read. */
    async configure(metadata, wanted = {}) {
      const response = await fetch(`${url}/configure`, { method: "POST", body: new URLSearchParams({ metadata, ...wanted }) });
      const text = await response.text();
      if (!response.ok) throw new Error(`${library} does not read the metadata: ${text}\n${metadata}`);
      return JSON.parse(text);
    },

    /** Posts a response, as the browser would: what the library made of it, or its words of refusal. */
    async deliver(fields) {
      const response = await fetch(`${url}/acs`, { method: "POST", body: fields });
      const text = await response.text();
      return response.ok ? { accepted: JSON.parse(text) } : { refused: text };
    },
  };
}
