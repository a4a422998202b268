// What we publish about the contract, judged by other people's software: the JSON Schemas by ajv, the OpenAPI document
// by a validator, and our dialect of JSON Patch by the public test suite.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";

const repository = new URL("..", import.meta.url);
const json = (path) => JSON.parse(readFileSync(new URL(path, repository), "utf8"));
const openapi = json("openapi/webhooks.openapi.json");
const samplesFolder = "crates/contract/samples/";
const samples = readdirSync(new URL(samplesFolder, repository));

const types = {
  token: "com.okta.oauth2.tokens.transform",
  saml: "com.okta.saml.tokens.transform",
  registration: "com.okta.user.pre-registration",
  password_import: "com.okta.user.credential.password.import",
  user_import: "com.okta.import.transform",
  telephony: "com.okta.telephony.provider",
};

function validatorOf(hookType, kind) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  return ajv.compile(json(`openapi/${hookType}.${kind}.schema.json`));
}

for (const [name, hookType] of Object.entries(types)) {
  for (const kind of ["request", "answer"]) {
    const files = samples.filter((file) => file.startsWith(`${name}_${kind}_`));
    test(`${hookType}: every sample ${kind} validates`, () => {
      const validate = validatorOf(hookType, kind);
      assert.ok(files.length > 0);
      for (const file of files) {
        assert.ok(validate(json(samplesFolder + file)), `${file}: ${JSON.stringify(validate.errors)}`);
      }
    });
  }

  test(`${hookType}: a request without a required member, or of another type, does not validate`, () => {
    const validate = validatorOf(hookType, "request");
    for (const member of ["eventId", "eventTime", "source", "data", "cloudEventVersion"]) {
      const document = json(`${samplesFolder}${name}_request_1.json`);
      delete document[member];
      assert.ok(!validate(document), member);
    }
    const other = json(`${samplesFolder}${name}_request_1.json`);
    other.eventType = "com.okta.something.else";
    assert.ok(!validate(other));
  });

  test(`${hookType}: an answer with an unknown command does not validate; an empty one does`, () => {
    const validate = validatorOf(hookType, "answer");
    assert.ok(!validate({ commands: [{ type: "com.okta.unknown", value: {} }] }));
    assert.ok(!validate({ commands: {} }));
    assert.ok(validate({}));
    assert.ok(validate({ commands: null, error: null, debugContext: null }));
  });
}

test("the OpenAPI 3.1 document is valid and names the six types", async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(openapi));
  assert.ok(valid, JSON.stringify(errors));
  assert.deepEqual(Object.keys(openapi.webhooks), Object.values(types));
});

test("the OpenAPI document of the management API is valid", async () => {
  const { valid, errors } = await new Validator().validate(json("openapi/management.openapi.json"));
  assert.ok(valid, JSON.stringify(errors));
});

// Which cases of the suite say something about our dialect is written at the head of `examples/patch_suite.rs`.
test("our dialect agrees with the public JSON Patch suite", () => {
  const runner = process.env.TENTERHOOK_PATCH_SUITE;
  assert.ok(runner, "run me with `cargo xtask interop contract`");
  const require = createRequire(import.meta.url);
  for (const file of ["json-patch-test-suite/tests.json", "json-patch-test-suite/spec_tests.json"]) {
    const report = execFileSync(runner, [require.resolve(file)], { encoding: "utf8" });
    const [, ran] = /(\d+) cases agree/.exec(report);
    assert.ok(Number(ran) > 5, report);
    console.log(report.trim());
  }
});
