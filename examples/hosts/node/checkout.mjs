// A checkout that pauses at Tenterhook before it places an order, with nothing but Node.js 20 or newer.
//
//   TENTERHOOK_URL=http://127.0.0.1:8787 TENTERHOOK_TOKEN=… node examples/hosts/node/checkout.mjs ada@example.com 2
//
// The token has the role HOST for the extension point (`../order-checkout.json`). Arguments are the customer and how many lamps
// they order. DEADLINE_MS is how long an order may wait for hooks, 800 without it. It prints what became of the order as JSON.
// Its exit status is 0 if the order was placed, 1 if it was denied, and 3 if Tenterhook did not accept our call, which is a defect
// of ours: then nothing is sold.

const POINT = "com.example.order.checkout";
/** How long an order may wait for hooks. Tenterhook keeps to it, whatever the services do. */
const DEADLINE_MS = Number(process.env.DEADLINE_MS ?? 800);
/** How long we wait for Tenterhook: slightly longer, so that we give up only when Tenterhook itself does not answer. */
const TIMEOUT_MS = DEADLINE_MS + 200;

const { TENTERHOOK_URL, TENTERHOOK_TOKEN } = process.env;
if (!TENTERHOOK_URL || !TENTERHOOK_TOKEN) {
  console.error("TENTERHOOK_URL or TENTERHOOK_TOKEN is not set.");
  process.exit(2);
}

/** Tenterhook did not accept our call. */
class NotAccepted extends Error {}

/** Places the order or denies it: `{ placed, order }` or `{ placed, message, fields }`. */
async function checkout(order, context) {
  const result = await pause(order, context);
  // Our own policy when Tenterhook itself gives no answer: sell, and let a person look at the order later.
  if (!result) return { placed: true, order: { ...order, review: "The order was not checked" } };

  if (result.failure) console.error(`A hook failed: ${result.failure.code}: ${result.failure.text}`);
  switch (result.resume) {
    case "CONTINUE":
      // The subject is the order as the hooks have left it, or the fallback of a hook that failed.
      if (result.decision === "DENY") return { placed: false, message: "We cannot accept this order.", fields: {} };
      return { placed: true, order: result.subject };
    case "STOP":
      return refused(result.error);
    default:
      // FALL_BACK is for types with a provider of our own, which this one does not have.
      throw new Error(`The checkout cannot go on with ${result.resume}`);
  }
}

/** What the customer reads. STOP without an `error` is the policy of a hook that failed: its cause is not for customers. */
function refused(error) {
  const causes = error?.errorCauses ?? [];
  const ofFields = causes.filter((cause) => cause.location);
  return {
    placed: false,
    message: error?.errorSummary ?? "We cannot take orders at the moment. Please try again later.",
    fields: Object.fromEntries(ofFields.map((cause) => [cause.location, cause.errorSummary])),
  };
}

/** The result of the pause, or nothing when Tenterhook gives none. Throws when Tenterhook does not accept our call. */
async function pause(subject, context) {
  let status, body;
  try {
    const response = await fetch(`${TENTERHOOK_URL}/api/v1/extensionPoints/${POINT}/invocations`, {
      method: "POST",
      headers: { authorization: `SSWS ${TENTERHOOK_TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify({ subject, context, deadlineMs: DEADLINE_MS }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    [status, body] = [response.status, await response.json()];
  } catch (error) {
    console.error(`Tenterhook gives no answer: ${error.cause ?? error}`);
    return undefined;
  }
  // 429: over capacity. The body says what to do meanwhile, as that of a 200 does. A customer waits, so we do not ask again;
  // a job that nobody waits for would, after the seconds of `Retry-After`.
  if ((status === 200 || status === 429) && body.resume) return body;
  const causes = (body.errorCauses ?? []).map((cause) => cause.errorSummary);
  const said = `Tenterhook answered ${status}: ${[body.errorSummary, ...causes].join("; ")}`;
  // 400: our question is malformed. 401 and 403: our token. 404: no such point. 413: too long. All of them are ours to repair, and
  // no hook has looked at the order: we do not sell. 408, 429 without `resume` and 5xx are as no answer.
  if ([400, 401, 403, 404, 413].includes(status)) throw new NotAccepted(said);
  console.error(said);
  return undefined;
}

const [email = "ada@example.com", quantity = "1"] = process.argv.slice(2);
const order = {
  customer: { email },
  lines: [{ sku: "lamp", quantity: Number(quantity), price: 4900 }],
  discounts: [],
};
// The card's number is sensitive: it can be in conditions, and no service gets it.
const context = { channel: "web", card: { brand: "visa", number: "4111111111111111" } };
try {
  const outcome = await checkout(order, context);
  console.log(JSON.stringify(outcome));
  process.exitCode = outcome.placed ? 0 : 1;
} catch (error) {
  if (!(error instanceof NotAccepted)) throw error;
  console.error(error.message);
  process.exitCode = 3;
}
