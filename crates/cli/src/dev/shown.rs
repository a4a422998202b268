//! The output of `tenterhook dev`: text, in colour on a terminal, or one JSON object per step.

use std::time::Duration;

use anstream::println;
use serde_json::{Map, Value, json};
use tenterhook_contract::{MASK, answer::Notice};
use tenterhook_engine::{CallFailure, FailureCode, Outcome, Timings, Witnessed};
use tenterhook_model::{DebugValue, LogEvent, LogResult, PHASES};
use tenterhook_platform::{
    mail::Mail,
    telephony::{PasscodeChannel, PasscodeMessage},
};
use tenterhook_server::ShownLogEvent;
use tokio::sync::broadcast;

use super::{
    demonstration::{Log, is_invocation},
    diff::{self, Line},
    failure::Failure,
    flow::Flow,
    layout,
    one_line::of_one_line,
    order::POINT,
    registration::{Registration, SecretPlace},
};
use crate::{
    Error,
    telemetry::{BAD, CHANGED, FAINT, GOOD, HEADING},
};

/// The output of the demonstration.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    pub(super) json: bool,
    /// Where pages about failures are served; `None` when the process ends after the demonstration.
    pub(super) pages: Option<String>,
    /// The name of the header that authenticates the call, if it was given.
    pub(super) given_header: Option<String>,
    /// The time that the hooks of `dev` have.
    pub(super) timeout: Duration,
}

/// The output of one flow.
pub(super) struct FlowScreen<'a> {
    screen: &'a Screen,
    pub(super) flow: Flow,
    /// Whether it is one of several flows.
    brief: bool,
    /// The document of the flow before, which is not shown again.
    known: Option<&'a Value>,
}

/// What the flow ended with: the answer of the token endpoint, or the error that was sent to the client.
pub(super) struct Issued<'a> {
    answer: &'a Value,
    /// The verified claims of the access token.
    access: Map<String, Value>,
    /// The verified claims of the ID token.
    identity: Map<String, Value>,
}

impl<'a> Issued<'a> {
    pub(super) fn of(answer: &'a Value, access: Map<String, Value>, identity: Map<String, Value>) -> Self {
        Self { answer, access, identity }
    }

    /// Whether there are tokens.
    pub(super) fn is_token(&self) -> bool {
        self.answer.get("access_token").is_some()
    }
}

impl Screen {
    /// One step: a heading for people, an object for programs.
    pub(super) fn step(&self, name: &str, text: &str, object: impl FnOnce() -> Value) {
        if self.json {
            print_step(name, None, object());
        } else {
            println!("\n{HEADING}{text}{HEADING:#}");
        }
    }

    /// The hook, and how to see the secret that it sends.
    pub(super) fn hook(&self, id: &str, registration: &Registration) {
        let Registration { hook, uri, secret, secret_place, headers, timeout } = registration;
        self.step("hook", &format!("Registered the {} {id} for {uri}", hook.title()), || {
            let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            json!({ "id": id, "uri": uri, "secretHeader": secret.name, "timeoutMs": timeout_ms })
        });
        if !self.json {
            let place = match secret_place {
                SecretPlace::Given => "as you gave it with `--header`".to_owned(),
                SecretPlace::File(path) => format!(
                    "random; its value is `serviceAuthorization` in `{}`, and `--header` sets another one",
                    path.display()
                ),
                SecretPlace::Memory if self.pages.is_some() => {
                    "random; its value is shown below under `Ready`, and `--header` sets another one".to_owned()
                }
                SecretPlace::Memory => "random; `--header` sets another one".to_owned(),
            };
            let sent = std::iter::once(secret).chain(headers).map(|header| format!("`{}: {MASK}`", header.name));
            println!("  {FAINT}It sends {}, {place}{FAINT:#}", sent.collect::<Vec<_>>().join(", "));
        }
    }

    /// The order hook could not be set up; the token flows go on.
    pub(super) fn no_order(&self, error: &Error) {
        let text = error.to_string();
        let heading = format!("{CHANGED}The extension point {POINT} is not ready: {}{CHANGED:#}", of_one_line(&text));
        self.step("extensionPoint", &heading, || json!({ "type": POINT, "error": text }));
    }

    /// The SAML app could not be set up; the token flows go on.
    pub(super) fn no_saml(&self, error: &Error) {
        let text = error.to_string();
        let heading = format!("{CHANGED}The SAML app is not ready: {}{CHANGED:#}", of_one_line(&text));
        self.step("saml", &heading, || json!({ "changed": false, "error": text }));
    }

    /// The policy by which people sign up could not be set up; the other flows go on.
    pub(super) fn no_sign_up(&self, error: &Error) {
        let text = error.to_string();
        let heading = format!("{CHANGED}The sign-up page is not ready: {}{CHANGED:#}", of_one_line(&text));
        self.step("signUp", &heading, || json!({ "error": text }));
    }

    /// What a SAML hook was sent of the assertion, and what the service provider got.
    pub(super) fn saml(&self, before: &Map<String, Value>, answer: &Value) {
        let Some(after) = answer.get("assertion").and_then(Value::as_object) else {
            let error = answer.get("error").cloned().unwrap_or_default();
            let text = format!("{BAD}✗ saml: nobody was signed on: {}{BAD:#}", of_one_line(&error.to_string()));
            return self.step("saml", &text, || json!({ "changed": false, "before": before, "error": error }));
        };
        let lines = diff::lines(before, after);
        let is_changed = |line: &&Line| line.changed().is_some();
        let changed: Vec<_> =
            lines.iter().filter(is_changed).map(|line| format!("{} {}", line.mark(), line.text())).collect();
        let is_good = !before.is_empty() && !changed.is_empty();
        let (style, mark) = if is_good { (GOOD, "✓") } else { (BAD, "✗") };
        let sent = before.get("nameId").cloned().unwrap_or_default();
        let came_out = if changed.is_empty() { "nothing else".to_owned() } else { changed.join("; ") };
        let text = format!(
            "{style}{mark} SAML sign-on: the hook was sent the assertion for {}; out came {}. Its signature is good.{style:#}",
            of_one_line(&sent.to_string()),
            of_one_line(&came_out)
        );
        self.step("saml", &text, || json!({ "changed": is_good, "before": before, "after": after }));
    }

    /// The screen of a flow, which is `brief` for one of several; `known` is the document of the flow before.
    pub(super) fn of_flow<'a>(&'a self, flow: Flow, brief: bool, known: Option<&'a Value>) -> FlowScreen<'a> {
        if !self.json {
            println!("\n{HEADING}━━ {}{HEADING:#}", flow.title());
        }
        FlowScreen { screen: self, flow, brief, known }
    }

    /// The failures of several flows once more, for people who see the end first.
    pub(super) fn failures(&self, failures: &[(Flow, Failure)]) {
        if self.json || failures.is_empty() {
            return;
        }
        println!();
        for (flow, failure) in failures {
            println!("{BAD}✗ {}: {}{BAD:#}", flow.name(), of_one_line(&failure.headline()));
        }
    }

    /// The name of the header that authenticates the call, if it was given.
    pub(super) fn given_header(&self) -> Option<&str> {
        self.given_header.as_deref()
    }

    /// A flow that ended without a failure, and without a change of the hook.
    pub(super) fn without_change(&self, flow: Flow) {
        if !self.json {
            println!("{BAD}✗ {}: the {} not carry a change of the hook{BAD:#}", flow.name(), result_does(flow));
        }
    }

    /// Shows every event until the log ends.
    pub(crate) async fn follow(&self, mut log: Log) {
        loop {
            match log.recv().await {
                Ok(event) if self.json => {
                    print_step("event", None, json!({ "event": ShownLogEvent::from(LogEvent::clone(&event)) }));
                }
                Ok(event) => {
                    log_line(&event);
                    self.explain(&event);
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    println!("  {FAINT}… {missed} events not shown; the log has them{FAINT:#}");
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// Why an invocation of the log failed, and parts of its answer that have no effect.
    fn explain(&self, event: &LogEvent) {
        if is_invocation(event) && event.result != LogResult::Success {
            let failure = Failure::of_event(event, self.given_header(), self.timeout);
            println!("    {BAD}✗ {}{BAD:#}", of_one_line(&failure.headline()));
            self.advice(&failure);
        }
        if let Some(DebugValue::Text(notices)) = event.debug_data.get("notices") {
            println!("    {CHANGED}{}{CHANGED:#}", of_one_line(notices));
        }
    }

    /// What to do about a failure, and the page about it.
    fn advice(&self, failure: &Failure) {
        if let Some(called) = &failure.called {
            println!("    {FAINT}Called:{FAINT:#} POST {}", of_one_line(called));
        }
        for advice in &failure.advice {
            println!("    {CHANGED}{}{CHANGED:#}", of_one_line(advice));
        }
        if let Some(page) = failure.page(self.pages.as_deref()) {
            println!("    {FAINT}About this code:{FAINT:#} {page}");
        }
    }
}

impl FlowScreen<'_> {
    fn step(&self, name: &str, text: &str, object: impl FnOnce() -> Value) {
        if self.screen.json {
            print_step(name, Some(self.flow), object());
        } else {
            println!("\n{HEADING}{text}{HEADING:#}");
        }
    }

    fn is_for_people(&self) -> bool {
        !self.screen.json
    }

    /// What went wrong, before everything else.
    pub(super) fn failure(&self, failure: &Failure) {
        let pages = self.screen.pages.as_deref();
        let headline = format!("{BAD}✗ {}{BAD:#}", of_one_line(&failure.headline()));
        self.step("failure", &headline, || failure.to_json(pages));
        if self.is_for_people() {
            for sentence in failure.sentences.iter().skip(1) {
                println!("  {BAD}  {}{BAD:#}", of_one_line(sentence));
            }
            self.screen.advice(failure);
        }
    }

    /// The request that the service received and its answer.
    pub(super) fn exchange(&self, seen: &Witnessed, document: &Value) {
        let heading = match self.known {
            None => format!("The request: POST {}", seen.sent.uri),
            Some(_) => format!(
                "The request: what its document has that the one above has not, or has otherwise (whole: `--flow {}`)",
                self.flow.name()
            ),
        };
        self.step("request", &heading, || {
            let headers: Map<String, Value> =
                seen.sent.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({ "uri": seen.sent.uri, "headers": headers, "body": document })
        });
        if self.is_for_people() {
            match self.known {
                None => {
                    for (name, value) in &seen.sent.headers {
                        println!("  {FAINT}{name}:{FAINT:#} {}", of_one_line(value));
                    }
                    print_json(document);
                }
                Some(known) => print_json(&beyond_known(known, document)),
            }
        }
        match &seen.answer {
            Some(answer) => {
                let body = serde_json::from_slice(&answer.body)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.body).into_owned()));
                let heading = format!("It answered: {}", answer.status);
                self.step("answer", &heading, || json!({ "status": answer.status, "body": body }));
                if self.is_for_people() {
                    print_json(&body);
                }
            }
            None => self.no_answer(seen),
        }
    }

    fn no_answer(&self, seen: &Witnessed) {
        let failure = if let Outcome::Failed(failure) = &seen.outcome { Some(failure) } else { None };
        let code = failure.map(|CallFailure { code, .. }| *code);
        let heading = match code {
            Some(FailureCode::TimeoutResponse | FailureCode::TimeoutBody) => {
                "The service was asked, but its answer was not complete in time"
            }
            Some(FailureCode::TimeoutConnect) => "The service could not be reached in time",
            Some(FailureCode::EgressDenied(_)) => "It was not asked: the egress policy refused the address",
            _ if was_service_asked(seen) => "The service was asked, but gave no usable answer",
            _ => "It gave no answer",
        };
        self.step("answer", heading, || {
            json!({
                "status": null,
                "body": null,
                "asked": was_service_asked(seen),
                "failureCode": code.map(|code| code.to_string()),
                "message": failure.map(|failure| &failure.detail),
            })
        });
    }

    /// Parts of the answer that have no effect.
    pub(super) fn notices(&self, notices: &[Notice]) {
        if notices.is_empty() {
            return;
        }
        self.step("notices", "Parts of the answer have no effect", || json!({ "notices": notices }));
        if self.is_for_people() {
            for notice in notices {
                println!("  {CHANGED}{}{CHANGED:#}", of_one_line(&notice.to_string()));
            }
        }
    }

    /// The claims of both tokens before and after; `identity` is empty when there is no ID token.
    pub(super) fn claims(&self, access: &[Line], identity: &[Line], outcome: &Outcome) {
        if self.screen.json {
            let lines = |lines: &[Line]| lines.iter().map(Line::to_json).collect::<Vec<_>>();
            let claims = json!({
                "outcome": outcome.name().to_ascii_uppercase(),
                "claims": lines(access),
                "identityClaims": lines(identity),
            });
            return print_step("claims", Some(self.flow), claims);
        }
        let is_changed = |lines: &[Line]| lines.iter().any(|line| !matches!(line, Line::Kept(..)));
        if !is_changed(access) && !is_changed(identity) {
            let why = match outcome {
                Outcome::Unchanged => "The answer has no commands, so nothing was changed.",
                _ => "Nothing was changed.",
            };
            println!("\n{HEADING}Claims{HEADING:#}\n  {CHANGED}{why}{CHANGED:#}");
            return;
        }
        for (token, lines) in [("access token", access), ("ID token", identity)] {
            if lines.is_empty() {
                continue;
            }
            let kept = lines.iter().filter(|line| matches!(line, Line::Kept(..))).count();
            let left_out =
                if self.brief { format!(" ({kept} that are as they were are left out)") } else { String::new() };
            println!("\n{HEADING}Claims of the {token}{HEADING:#}{FAINT}{left_out}{FAINT:#}");
            // Between two flows, what the hook did not change only fills the screen.
            let is_shown = |line: &&Line| !self.brief || !matches!(line, Line::Kept(..));
            print_lines(lines.iter().filter(is_shown));
        }
    }

    /// The assertion before and after the hook.
    pub(super) fn assertion(&self, lines: &[Line], outcome: &Outcome) {
        self.step("assertion", "The assertion", || {
            let members = lines.iter().map(|line| {
                let mut line = line.to_json();
                if let Some(object) = line.as_object_mut()
                    && let Some(name) = object.remove("claim")
                {
                    object.insert("member".to_owned(), name);
                }
                line
            });
            json!({ "outcome": outcome.name().to_ascii_uppercase(), "members": members.collect::<Vec<_>>() })
        });
        if self.is_for_people() {
            print_lines(lines.iter());
        }
    }

    /// What the service provider got; `changed` says that the hook's changes are in the verified assertion.
    pub(super) fn signed_on(&self, answer: &Value, changed: bool) {
        let text = match (answer.get("error"), changed) {
            (Some(error), _) => format!("{BAD}Nobody was signed on: {}{BAD:#}", of_one_line(&error.to_string())),
            (None, true) => {
                format!(
                    "{GOOD}✓ The service provider got the assertion as the hook has changed it; its signature is good.{GOOD:#}"
                )
            }
            (None, false) => {
                format!(
                    "{BAD}The service provider got the assertion without a change of the hook; its signature is good.{BAD:#}"
                )
            }
        };
        self.step("signOn", &text, || {
            let mut object = json!({ "changed": changed });
            if let (Value::Object(object), Value::Object(answer)) = (&mut object, answer) {
                object.extend(answer.clone());
            }
            object
        });
    }

    /// What the hook changed of the order, and the decision.
    pub(super) fn changes(&self, lines: &[Line], result: &Value) {
        let member = |name: &str| result.get(name).cloned().unwrap_or_default();
        let heading = match result.get("decision").and_then(Value::as_str) {
            Some(decision) => format!("The order, decision {}", of_one_line(decision)),
            None => "The order".to_owned(),
        };
        self.step(
            "changes",
            &heading,
            || json!({ "outcome": member("outcome"), "changes": member("changes"), "decision": member("decision") }),
        );
        if self.is_for_people() {
            print_lines(lines.iter());
            if lines.is_empty() {
                println!("  {CHANGED}Nothing was changed.{CHANGED:#}");
            }
        }
    }

    /// What the host of the order was told; `applied` says that the commands of the hook were.
    pub(super) fn order(&self, result: &Value, applied: bool) {
        let resume = result.get("resume").and_then(Value::as_str).unwrap_or_default();
        let text = match (applied, resume) {
            (true, _) => {
                format!("{GOOD}✓ The host was told {resume}, with the order as the hook has changed it.{GOOD:#}")
            }
            (false, "CONTINUE") => format!("{BAD}The host was told CONTINUE, without the answer of the hook.{BAD:#}"),
            (false, _) => format!("{BAD}The host was told {resume}: no order is placed.{BAD:#}"),
        };
        self.step("order", &text, || json!({ "changed": applied, "result": result }));
    }

    /// Where the time went.
    pub(super) fn timings(&self, timings: &Timings) {
        let Timings { admit, token, connect, wait, apply, total } = timings;
        let phases = PHASES.into_iter().zip([admit, token, connect, wait, apply, total]);
        self.step("timings", "Where the time went", || {
            let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            Value::Object(phases.clone().map(|(name, time)| (format!("{name}Us"), json!(micros(time)))).collect())
        });
        if self.is_for_people() {
            let shown = phases.map(|(name, time)| format!("{name} {:.2} ms", time.as_secs_f64() * 1_000.0));
            println!("  {}", shown.collect::<Vec<_>>().join("  ·  "));
        }
    }

    /// The System Log event.
    pub(super) fn event(&self, event: &LogEvent<'_>) {
        self.step(
            "event",
            &format!("System Log: {}", event.event_type),
            || json!({ "event": ShownLogEvent::from(event.clone()) }),
        );
        if self.is_for_people() {
            log_line(event);
        }
    }

    /// An invocation without a request to show: its System Log event, and the failure that it has.
    pub(super) fn unseen(&self, event: Option<&LogEvent<'_>>) -> Option<Failure> {
        const NOT_ASKED: &str = "The service was not asked";
        // The log was too full to take it.
        let Some(event) = event else {
            self.step("answer", NOT_ASKED, || json!({ "status": null, "body": null, "asked": false }));
            return None;
        };
        let failure = Failure::of_event(event, self.screen.given_header(), self.screen.timeout);
        self.failure(&failure);
        self.step("answer", NOT_ASKED, || {
            let (code, message) = (&failure.code, failure.sentences.first());
            json!({ "status": null, "body": null, "asked": false, "failureCode": code, "message": message })
        });
        if let Some(DebugValue::Timings(micros)) = event.debug_data.get("timings") {
            let [admit, token, connect, wait, apply, total] = micros.map(Duration::from_micros);
            self.timings(&Timings { admit, token, connect, wait, apply, total });
        }
        self.event(event);
        Some(failure)
    }

    /// How the flow ended; `shown` says that the hook's changes are in the verified tokens.
    pub(super) fn ended(&self, issued: &Issued<'_>, shown: bool, failure: Option<&Failure>) {
        let Issued { answer, access, identity } = issued;
        if !issued.is_token() {
            let text = format!("{BAD}No token was issued:{BAD:#} {}", of_one_line(&answer.to_string()));
            return self.step("token", &text, || json!({ "changed": false, "error": answer }));
        }
        let tokens = if identity.is_empty() { "token carries" } else { "tokens carry" };
        let text = match (shown, failure.and_then(|failure| failure.code.as_deref()), access.is_empty()) {
            (true, ..) => format!("{GOOD}✓ The issued {tokens} the hook's claims; every signature is good.{GOOD:#}"),
            (false, Some(code), _) => format!("{BAD}The token was issued without the hook: {code}, see above.{BAD:#}"),
            (false, None, true) => format!("{BAD}The token was issued without the hook.{BAD:#}"),
            (false, None, false) => {
                let signatures = if identity.is_empty() { "its signature is" } else { "their signatures are" };
                format!(
                    "{BAD}The issued {} not carry a change of the hook; {signatures} good.{BAD:#}",
                    result_does(self.flow)
                )
            }
        };
        self.step("token", &text, || {
            let mut object = json!({ "changed": shown });
            for (member, claims) in [("claims", access), ("identityClaims", identity)] {
                if let (false, Value::Object(object)) = (claims.is_empty(), &mut object) {
                    object.insert(member.to_owned(), json!(claims));
                }
            }
            object
        });
    }
}

/// What a flow results in, and the verb for it.
fn result_does(flow: Flow) -> &'static str {
    match flow {
        Flow::Order => "order does",
        Flow::Saml => "assertion does",
        Flow::ClientCredentials => "token does",
        Flow::Code => "tokens do",
    }
}

/// Shows a mail that would be sent, with its link.
pub(super) fn mail(json: bool, mail: &Mail, link: &str, page: &str) {
    let (to, subject) = (mail.to.to_string(), mail.subject());
    if json {
        return print_step("mail", None, json!({ "to": to, "subject": subject, "link": link, "page": page }));
    }
    println!("  {HEADING}Mail{HEADING:#} to {}: {}", of_one_line(&to), of_one_line(subject));
    println!("    {FAINT}Its link:{FAINT:#} {}", of_one_line(link));
    println!("    {FAINT}The mail:{FAINT:#} {page}");
}

/// Shows a message with a passcode that would be sent to a phone.
pub(super) fn passcode(json: bool, message: &PasscodeMessage<'_>) {
    let (to, text) = (message.to.as_e164(), message.text.text.expose());
    self::message(json, message.channel == PasscodeChannel::Sms, to, text);
}

/// Shows a message that somebody has brought to a phone.
pub(super) fn message(json: bool, is_text: bool, to: &str, text: &str) {
    let (channel, what) = if is_text { ("SMS", "SMS") } else { ("CALL", "Call") };
    if json {
        return print_step("passcode", None, json!({ "channel": channel, "to": to, "text": text }));
    }
    println!("  {HEADING}{what}{HEADING:#} to {to}: {}", of_one_line(text));
}

fn print_step(name: &str, flow: Option<Flow>, object: Value) {
    let mut step = Map::from_iter([("step".to_owned(), json!(name))]);
    step.extend(flow.map(|flow| ("flow".to_owned(), json!(flow.name()))));
    if let Value::Object(members) = object {
        step.extend(members);
    }
    println!("{}", of_one_line(&Value::Object(step).to_string()));
}

/// The lines of a difference, each with its mark.
fn print_lines<'a>(lines: impl Iterator<Item = &'a Line>) {
    for line in lines {
        let style = match line {
            Line::Kept(..) => FAINT,
            Line::Added(..) => GOOD,
            Line::Removed(..) => BAD,
            Line::Replaced(..) => CHANGED,
        };
        println!("  {style}{} {}{style:#}", line.mark(), of_one_line(&line.text()));
    }
}

fn print_json(value: &Value) {
    for line in layout::lines(value, 2) {
        println!("{}", of_one_line(&line));
    }
}

/// What `document` has beyond the known one, without what differs in all documents.
fn beyond_known(known: &Value, document: &Value) -> Value {
    let mut beyond = layout::beyond(known, document);
    if let Value::Object(members) = &mut beyond {
        for name in ["eventId", "eventTime"] {
            members.shift_remove(name);
        }
    }
    beyond
}

/// One event on one line.
fn log_line(event: &LogEvent) {
    let style = if event.result == LogResult::Success { GOOD } else { BAD };
    let result = serde_json::to_value(event.result).ok();
    let result = result.as_ref().and_then(Value::as_str).unwrap_or_default();
    let target = event.targets.first().and_then(|target| target.display_name.as_deref()).unwrap_or_default();
    let who = if event.event_type == "user.session.start" {
        format!(" {}", event.actor.alternate_id.as_deref().unwrap_or(&event.actor.id))
    } else {
        String::new()
    };
    let outcome = outcome_of(event).map(|outcome| format!(" {outcome}")).unwrap_or_default();
    let reason = of_one_line(event.reason.as_deref().unwrap_or_default());
    println!(
        "  {FAINT}{}{FAINT:#} {style}{result:<7}{style:#} {} {}{}{} {reason}",
        event.published,
        of_one_line(&event.event_type),
        of_one_line(target),
        of_one_line(&who),
        of_one_line(&outcome)
    );
}

/// The outcome of an invocation's event, with the paths of what it changed: they have names of claims, and no value.
fn outcome_of(event: &LogEvent) -> Option<String> {
    if !is_invocation(event) {
        return None;
    }
    let text = |name: &str| match event.debug_data.get(name) {
        Some(DebugValue::Text(text)) => Some(&**text),
        _ => None,
    };
    let is_processed = event.event_type == "inline_hook.response.processed";
    let was_attempted = matches!(event.debug_data.get("attempts"), Some(DebugValue::Number(1..)));
    let outcome = outcome_word(is_processed, event.result, text("failureCode"), was_attempted);
    Some(match (outcome, text("changes")) {
        ("SUCCESS", Some(changes)) => format!("APPLIED {changes}"),
        ("SUCCESS", None) => "UNCHANGED".to_owned(),
        _ => outcome.to_owned(),
    })
}

/// The outcome that an invocation's event stands for; `SUCCESS` for commands that were applied, or for none.
fn outcome_word(is_processed: bool, result: LogResult, code: Option<&str>, was_attempted: bool) -> &'static str {
    /// The codes of calls that were not made. A bound can also be reached in the middle of a call.
    const NOT_CALLED: [&str; 5] = ["BREAKER_OPEN", "UNRESPONSIVE", "NO_TIME", "NO_CAPACITY", "ORG_AT_LIMIT"];
    match (is_processed, result, code) {
        (_, LogResult::Skipped, _) => "SKIPPED",
        (true, LogResult::Success, _) => "SUCCESS",
        (true, _, None) => "REFUSED",
        (true, _, Some(_)) => "INVALID",
        (false, _, Some(code)) if NOT_CALLED.contains(&code) && !was_attempted => "SKIPPED",
        (false, ..) => "FAILED",
    }
}

/// Whether the service was asked, with or without an answer.
pub(super) fn was_service_asked(seen: &Witnessed) -> bool {
    let asked = |code: FailureCode| {
        matches!(
            code,
            FailureCode::TimeoutResponse
                | FailureCode::TimeoutBody
                | FailureCode::ConnectionReset
                | FailureCode::HttpInvalid
                | FailureCode::HeadersTooLarge
                | FailureCode::BodyTooLarge
        )
    };
    seen.answer.is_some() || matches!(&seen.outcome, Outcome::Failed(failure) if asked(failure.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_failed_is_not_shown_as_one_that_was_not_made() {
        for code in ["CONNECTION_REFUSED", "BODY_UNPARSABLE", "CONNECTION_RESET", "TIMEOUT_RESPONSE", "EGRESS_DENIED"] {
            assert_eq!(outcome_word(false, LogResult::Failure, Some(code), true), "FAILED", "{code}");
            assert_eq!(outcome_word(false, LogResult::Failure, Some(code), false), "FAILED", "{code}");
        }
        for code in ["BREAKER_OPEN", "UNRESPONSIVE", "NO_TIME", "NO_CAPACITY", "ORG_AT_LIMIT"] {
            assert_eq!(outcome_word(false, LogResult::Failure, Some(code), false), "SKIPPED", "{code}");
        }
        assert_eq!(outcome_word(false, LogResult::Failure, Some("NO_CAPACITY"), true), "FAILED");
        assert_eq!(outcome_word(false, LogResult::Skipped, None, false), "SKIPPED");
        assert_eq!(outcome_word(true, LogResult::Failure, Some("COMMANDS_INVALID"), true), "INVALID");
        assert_eq!(outcome_word(true, LogResult::Failure, None, true), "REFUSED");
        assert_eq!(outcome_word(true, LogResult::Success, None, true), "SUCCESS");
    }
}
