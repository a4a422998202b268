// An external service as a customer would write one, without our help.

import { createServer } from "node:https";
import { once } from "node:events";

/**
 * Starts an HTTPS service on a free loopback port that answers each call with what `answer(document)` returns, and a GET with the document
 * of the last call, for clients in other processes.
 *
 * @returns {Promise<{ url: string, calls: { headers: object, document: object, text: string }[], stop: () => void }>}
 */
export async function startService({ certificatePem, keyPem }, answer) {
  const calls = [];
  const server = createServer({ cert: certificatePem, key: keyPem }, async (request, response) => {
    if (request.method === "GET") {
      response.writeHead(200, { "content-type": "application/json" }).end(calls.at(-1)?.text ?? "null");
      return;
    }
    request.setEncoding("utf8");
    let text = "";
    for await (const part of request) text += part;
    const document = JSON.parse(text);
    calls.push({ headers: request.headers, document, text });
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer(document)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `https://127.0.0.1:${server.address().port}/hooks/token`, calls, stop };
}
