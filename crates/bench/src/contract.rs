//! `contract`: the cost of reading and applying an answer, compared with a plain parse of the same bytes.

use std::{hint::black_box, time::Instant};

use clap::Args;
use serde_json::{Map, Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint,
    answer::Answer,
    saml::{Saml, assertion::Assertion},
    token::{Token, TokenDraft, TokenSubject},
};

use crate::{Error, statistics::median};

/// Options of `contract`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Alternations of the two; the medians are printed
    #[arg(long, default_value_t = 31)]
    alternations: usize,
    /// Iterations of each, per alternation
    #[arg(long, default_value_t = 4_000)]
    iterations: u32,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    println!(
        "medians of {} alternations of {} iterations; aim: ratio at most 2.0",
        options.alternations, options.iterations
    );
    println!("{:<36}{:>8}{:>12}{:>18}{:>8}", "", "bytes", "parse ns", "parse + apply ns", "ratio");
    compare(&Token, options, "token: 5 operations, 40 claims", &token_answer(), token_subject())?;
    compare(&Saml, options, "SAML: 10 attribute statements", &saml_answer(), assertion()?)
}

fn compare<P: ExtensionPoint>(
    point: &P,
    options: &Options,
    name: &str,
    answer: &Value,
    mut subject: P::Subject,
) -> Result<(), Error> {
    let text = answer.to_string();
    let bytes = text.as_bytes();
    let (mut plain, mut applied) = (Vec::new(), Vec::new());
    for _ in 0..options.alternations {
        let begin = Instant::now();
        for _ in 0..options.iterations {
            black_box(serde_json::from_slice::<Value>(black_box(bytes))?);
        }
        plain.push(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        for _ in 0..options.iterations {
            let answer = Answer::parse(black_box(bytes))?;
            let changes = point.interpret(&mut subject, answer);
            black_box(changes.map_err(|problems| format!("{problems:?}"))?);
        }
        applied.push(begin.elapsed().as_secs_f64());
    }
    let nanoseconds = |times: Vec<f64>| median(times) * 1e9 / f64::from(options.iterations);
    let (plain, applied) = (nanoseconds(plain), nanoseconds(applied));
    println!("{name:<36}{:>8}{plain:>12.0}{applied:>18.0}{:>8.2}", bytes.len(), applied / plain);
    Ok(())
}

fn token_subject() -> TokenSubject {
    let claims = (0..40).map(|number| (format!("claim_{number}"), json!(format!("value of claim {number}"))));
    let mut claims = claims.collect::<Map<_, _>>();
    claims.insert("groups_of_user".to_owned(), json!(["a", "b", "c"]));
    let draft = TokenDraft { claims, lifetime_seconds: 3_600 };
    TokenSubject { identity: Some(draft.clone()), access: Some(draft), dpop: false }
}

fn token_answer() -> Value {
    json!({ "commands": [
        { "type": "com.okta.identity.patch", "value": [
            { "op": "add", "path": "/claims/loyalty_id", "value": "L-20931" },
            { "op": "replace", "path": "/claims/claim_7", "value": ["ACC", "LOS"] },
        ] },
        { "type": "com.okta.access.patch", "value": [
            { "op": "replace", "path": "/claims/claim_3", "value": "gold" },
            { "op": "replace", "path": "/claims/groups_of_user/1", "value": "eu" },
            { "op": "replace", "path": "/token/lifetime/expiration", "value": 900 },
        ] },
    ] })
}

fn assertion() -> Result<Assertion, Error> {
    let sample = BuiltInType::Saml.kind().sample_requests().first().copied().unwrap_or_default();
    let sample: Value = serde_json::from_str(sample)?;
    Ok(Assertion::from_json(sample.pointer("/data/assertion").unwrap_or(&Value::Null))?)
}

fn saml_answer() -> Value {
    let operations = (0..10).map(|number| {
        json!({ "op": "add", "path": format!("/claims/http:~1~1schemas.example.com~1claim{number}"), "value": {
            "attributes": { "NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:uri" },
            "attributeValues": [{ "attributes": { "xsi:type": "xs:string" }, "value": "payroll" }],
        } })
    });
    json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": operations.collect::<Vec<_>>() }] })
}
