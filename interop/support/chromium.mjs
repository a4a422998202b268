// Headless Chromium, driven by the DevTools protocol over a pair of pipes: no port, no library.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const PROGRAM = process.env.TENTERHOOK_CHROMIUM ?? "chromium";
/** What a command may take, and what a page may take until it shows what a test waits for. */
const ANSWER_MS_MAX = 30_000;
const LOOK_EVERY_MS = 50;

/** Starts the browser with an empty profile. `newPage` opens a tab in a profile of its own, as a private window does. */
export function startChromium() {
  const profile = mkdtempSync(join(tmpdir(), "tenterhook-chromium-"));
  const words = ["--headless=new", "--remote-debugging-pipe", `--user-data-dir=${profile}`, "--window-size=1000,760"];
  // A container has no user namespaces for the sandbox, and little shared memory. No request leaves the machine.
  words.push("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--no-proxy-server");
  words.push("--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US");
  const program = spawn(PROGRAM, words, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => program.once("close", resolve).once("error", resolve));
  const [, , , commands, answers] = program.stdio;
  const waiting = new Map();
  let count = 0;
  let unread = "";

  commands.on("error", () => {});
  answers.setEncoding("utf8").on("data", (text) => {
    const messages = (unread + text).split("\0");
    unread = messages.pop();
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      const call = waiting.get(id);
      if (!call) continue;
      waiting.delete(id);
      if (error) call.reject(new Error(`${call.method}: ${error.message}`));
      else call.resolve(result);
    }
  });
  ended.then((status) => {
    for (const { method, reject } of waiting.values()) reject(new Error(`${method}: ${PROGRAM} ended: ${status}`));
  });

  function send(method, params = {}, sessionId) {
    const id = (count += 1);
    return new Promise((resolve, reject) => {
      const impatience = setTimeout(() => reject(new Error(`${method} is not answered`)), ANSWER_MS_MAX);
      const settle = (how) => (what) => (clearTimeout(impatience), how(what));
      waiting.set(id, { method, resolve: settle(resolve), reject: settle(reject) });
      commands.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  async function newPage() {
    const { browserContextId } = await send("Target.createBrowserContext");
    const { targetId } = await send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const call = (method, params) => send(method, params, sessionId);
    await call("Page.enable");

    /** The value of an expression in the page, or of the promise that it is. */
    async function evaluate(expression) {
      const how = { expression, returnByValue: true, awaitPromise: true };
      const { result, exceptionDetails } = await call("Runtime.evaluate", how);
      if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
      return result.value;
    }

    /** Waits until the expression is true in the page, whichever page that is by then. */
    async function until(expression) {
      const end = Date.now() + ANSWER_MS_MAX;
      while (Date.now() < end) {
        // A page that is just being left throws.
        if (await evaluate(expression).catch(() => false)) return;
        await pause(LOOK_EVERY_MS);
      }
      throw new Error(`not so: ${expression}, at ${await evaluate("location.href + document.body.innerText")}`);
    }

    /** Types into the field as a person would, in the place of what is there. */
    async function type(selector, text) {
      const field = `document.querySelector(${JSON.stringify(selector)})`;
      await evaluate(`${field}.focus(), ${field}.select()`);
      await call("Input.insertText", { text });
    }

    /** A picture of the whole page, as far as one can scroll. */
    async function screenshot(file) {
      const { cssContentSize: size } = await call("Page.getLayoutMetrics");
      const clip = { x: 0, y: 0, width: size.width, height: size.height, scale: 1 };
      const { data } = await call("Page.captureScreenshot", { format: "png", clip, captureBeyondViewport: true });
      writeFileSync(file, Buffer.from(data, "base64"));
    }

    /** Shows pages on a screen of this size, to a person who prefers this colour scheme. */
    async function view({ width, height, scheme }) {
      await call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
      await call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    }

    return {
      view,
      /** Whether scripts of pages run; ours always do. */
      runScripts: (run) => call("Emulation.setScriptExecutionDisabled", { value: !run }),
      go: (url) => call("Page.navigate", { url }),
      click: (selector) => evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`),
      evaluate,
      until,
      type,
      screenshot,
    };
  }

  async function stop() {
    await send("Browser.close").catch(() => {});
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
  }

  return { newPage, stop };
}
