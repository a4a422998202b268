// axe-core on a page of ours, in every way in which people see it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Pages need not be scrolled sideways on the narrowest one (WCAG 2.2, 1.4.10). */
const SCREENS = {
  narrow: { width: 320, height: 640 },
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
};
const SCHEMES = ["light", "dark"];
/** The least height and width of what one touches, in pixels. */
const TARGET_MIN = 44;

const FINDINGS = `axe.run().then(({ violations, incomplete, passes }) => {
  const told = (kind) => ({ id, help, nodes }) => kind + " " + id + " (" + help + "): " + nodes.map(({ html }) => html).join(" ");
  return { found: [...violations.map(told("violation")), ...incomplete.map(told("unclear"))], passed: passes.length };
})`;
const SMALL = `[...document.querySelectorAll("button, select, input:not([type=hidden])")]
  .filter((it) => Math.min(it.offsetHeight, it.offsetWidth) < ${TARGET_MIN}).map((it) => it.outerHTML)`;
const IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth";

/** Fails with everything that axe-core finds on the page that is shown, and keeps pictures of it in the folder `pictures`. */
export async function checkAccessibility(page, name, pictures) {
  // axe-core waits for timers, which run where scripts run. Those of the page were left out when it was loaded.
  await page.runScripts(true);
  await page.evaluate(AXE);
  const found = [];
  for (const [screen, size] of Object.entries(SCREENS)) {
    for (const scheme of SCHEMES) {
      await page.view({ ...size, scheme });
      const where = `${name}-${screen}-${scheme}`;
      if (pictures) await page.screenshot(join(pictures, `${where}.png`));
      const { found: ofAxe, passed } = await page.evaluate(FINDINGS);
      assert.ok(passed > 10, `axe-core has looked at ${where}`);
      found.push(...ofAxe.map((what) => `${where}: ${what}`));
      found.push(...(await page.evaluate(SMALL)).map((what) => `${where}: too small to be touched: ${what}`));
      if (await page.evaluate(IS_TOO_WIDE)) found.push(`${where}: wider than the screen`);
    }
  }
  assert.deepEqual(found, []);
}
