//! The output of `tenterhook dev`: text, in colour on a terminal, or one JSON object per step.

use std::{borrow::Cow, sync::Arc};

use anstream::println;
use serde_json::{Map, Value, json};
use tenterhook_contract::{answer::Notice, without_controls};
use tenterhook_engine::{CallFailure, FailureCode, Outcome, Timings, Witnessed};
use tenterhook_model::{DebugValue, LogEvent, LogResult};
use tenterhook_server::ShownLogEvent;
use tokio::sync::broadcast;

use super::{
    demonstration::{Demonstration, SCOPE},
    diff::Line,
    secrets::DevSecrets,
    unseen::{Reached, Unseen},
};
use crate::telemetry::{BAD, CHANGED, FAINT, GOOD, HEADING};

/// The output of the demonstration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    json: bool,
}

impl Screen {
    /// A screen for programs (`json`) or for people.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// One step: a heading for people, an object for programs.
    pub(crate) fn step(self, name: &str, text: &str, object: impl FnOnce() -> Value) {
        if self.json {
            let mut step = Map::from_iter([("step".to_owned(), json!(name))]);
            if let Value::Object(members) = object() {
                step.extend(members);
            }
            println!("{}", Value::Object(step));
        } else {
            println!("\n{HEADING}{text}{HEADING:#}");
        }
    }

    /// The request that the service received and its answer.
    pub(crate) fn exchange(self, seen: &Witnessed) {
        let document: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        self.step("request", &format!("The request: POST {}", seen.sent.uri), || {
            let headers: Map<String, Value> =
                seen.sent.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({ "uri": seen.sent.uri, "headers": headers, "body": document })
        });
        if !self.json {
            for (name, value) in &seen.sent.headers {
                println!("  {FAINT}{name}:{FAINT:#} {value}");
            }
            println!("{}", indented(&document));
        }
        let status = seen.answer.as_ref().map(|answer| answer.status);
        let heading = match (status, &seen.outcome) {
            (Some(status), _) => format!("It answered: {status}"),
            (None, Outcome::Failed(CallFailure { code: FailureCode::EgressDenied(_), .. })) => {
                "It was not asked: the egress policy refused the address".to_owned()
            }
            (None, _) => "It gave no answer".to_owned(),
        };
        let body = seen.answer.as_ref().map(|answer| {
            serde_json::from_slice(&answer.body)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.body).into_owned()))
        });
        self.step("answer", &heading, || json!({ "status": status, "body": body }));
        if let (false, Some(body)) = (self.json, &body) {
            println!("{}", indented(body));
        }
    }

    /// Parts of the answer that look like mistakes.
    pub(crate) fn notices(self, notices: &[Notice]) {
        if notices.is_empty() {
            return;
        }
        self.step("notices", "The answer looks like a mistake", || json!({ "notices": notices }));
        if !self.json {
            for notice in notices {
                println!("  {CHANGED}{notice}{CHANGED:#}");
            }
        }
    }

    /// The claims before and after.
    pub(crate) fn claims(self, lines: &[Line], outcome: &Outcome) {
        self.step("claims", "Claims of the access token", || {
            json!({ "outcome": outcome_name(outcome), "claims": lines.iter().map(Line::to_json).collect::<Vec<_>>() })
        });
        if self.json {
            return;
        }
        for line in lines {
            let style = match line {
                Line::Kept(..) => FAINT,
                Line::Added(..) => GOOD,
                Line::Removed(..) => BAD,
                Line::Replaced(..) => CHANGED,
            };
            println!("  {style}{} {}{style:#}", line.mark(), of_one_line(&line.text()));
        }
        if let Some(why) = why_unchanged(outcome) {
            println!("  {CHANGED}{why}{CHANGED:#}");
        }
    }

    /// Where the time went.
    pub(crate) fn timings(self, timings: &Timings) {
        let phases = [
            ("admit", timings.admit),
            ("token", timings.token),
            ("connect", timings.connect),
            ("wait", timings.wait),
            ("apply", timings.apply),
            ("total", timings.total),
        ];
        self.step("timings", "Where the time went", || {
            let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            Value::Object(phases.iter().map(|(name, time)| (format!("{name}Us"), json!(micros(*time)))).collect())
        });
        if !self.json {
            let shown: Vec<_> =
                phases.iter().map(|(name, time)| format!("{name} {:.2} ms", time.as_secs_f64() * 1_000.0)).collect();
            println!("  {}", shown.join("  ·  "));
        }
    }

    /// The System Log event.
    pub(crate) fn event(self, event: &LogEvent) {
        self.step(
            "event",
            &format!("System Log: {}", event.event_type),
            || json!({ "event": ShownLogEvent::from(event.clone()) }),
        );
        if !self.json {
            log_line(event);
        }
    }

    /// How the demonstration ended.
    pub(crate) fn verdict(self, shown: bool, verified: &Map<String, Value>) {
        let text = if shown {
            format!("{GOOD}The issued token carries the hook's claims; its signature is good.{GOOD:#}")
        } else {
            format!("{BAD}The issued token does not carry a change of the hook; its signature is good.{BAD:#}")
        };
        self.step("token", &text, || json!({ "changed": shown, "claims": verified }));
    }

    /// The service refused, so there is no token.
    pub(crate) fn refused(self, answer: &Value) {
        let text = format!("{BAD}No token was issued:{BAD:#} {}", of_one_line(&answer.to_string()));
        self.step("token", &text, || json!({ "changed": false, "error": answer }));
    }

    /// An invocation without an exchange to show: its System Log event.
    pub(crate) fn unseen(self, event: Option<&LogEvent>) {
        // The log was too full to take it.
        let Some(event) = event else {
            let text = format!("{BAD}{}{BAD:#}", Reached::Nobody.text());
            return self.step("answer", &text, || json!({ "status": null, "body": null, "asked": false }));
        };
        let Unseen { reached, code, message, timings } = Unseen::of(event);
        self.step("answer", &format!("{BAD}{}{BAD:#}", reached.text()), || {
            let asked = reached == Reached::Service;
            json!({ "status": null, "body": null, "asked": asked, "failureCode": code, "message": message })
        });
        if !self.json {
            println!("  {CHANGED}{code}: {}{CHANGED:#}", of_one_line(&message));
            if reached == Reached::Service {
                println!("  {FAINT}The document that was sent is not kept when its attempt is cut off.{FAINT:#}");
            }
        }
        self.timings(&timings);
        self.event(event);
    }

    /// There is a token without the hook's changes.
    pub(crate) fn without_hook(self) {
        let text = format!("{BAD}The token was issued without the hook.{BAD:#}");
        self.step("token", &text, || json!({ "changed": false }));
    }

    /// The next steps for the user.
    pub(crate) fn ready(self, demonstration: &Demonstration, secrets: &DevSecrets) {
        let (base, world) = (&demonstration.base_url, &demonstration.world);
        let (admin, password) = (secrets.admin_token.expose(), secrets.user_password.expose());
        let client_secret = secrets.client_secret.expose();
        let issuer = demonstration.issuer();
        let (authorize, form) = demonstration.code_flow();
        let token_path = Demonstration::token_path();
        let login = world.user_logins.first().map_or("a user", String::as_str);
        let code_flow = format!(
            "the code flow: open this in a browser and sign in as {login}; no server needs to listen at the redirect URI"
        );
        let code_exchange = format!("curl -s -d '{form}' {base}{token_path}");
        let commands = [
            (
                "a token",
                format!(
                    "curl -s -u '{}:{client_secret}' -d 'grant_type=client_credentials&scope={SCOPE}' {base}{}",
                    world.confidential_client_id, token_path
                ),
            ),
            ("the hooks", format!("curl -s -H 'Authorization: SSWS {admin}' {base}/api/v1/inlineHooks")),
            (
                "the log",
                format!("curl -s -H 'Authorization: SSWS {admin}' '{base}/api/v1/logs?sortOrder=DESCENDING&limit=5'"),
            ),
        ];
        self.step("ready", "Ready", || {
            json!({
                "baseUrl": base,
                "adminToken": admin,
                "issuer": issuer,
                "confidentialClient": { "id": world.confidential_client_id, "secret": client_secret },
                "publicClient": {
                    "id": world.public_client_id,
                    "redirectUri": demonstration.redirect_uri,
                    "authorizeUrl": authorize,
                    "tokenCommand": code_exchange,
                },
                "users": world.user_logins,
                "userPassword": password,
                "commands": commands.iter().map(|(_, command)| command).collect::<Vec<_>>(),
            })
        });
        if self.json {
            return;
        }
        for (name, value) in [
            ("Base URL", base.as_str()),
            ("Admin token", admin),
            ("Issuer", &issuer),
            ("Client", &format!("{} (secret {client_secret})", world.confidential_client_id)),
            ("Public client", world.public_client_id.as_str()),
            ("Redirect URI", &format!("{} (of the public client)", demonstration.redirect_uri)),
            ("Users", &format!("{} (password {password})", world.user_logins.join(", "))),
        ] {
            println!("  {FAINT}{name:<14}{FAINT:#}{value}");
        }
        println!("\n{HEADING}Try{HEADING:#}");
        let of_code_flow = [
            (code_flow.as_str(), authorize),
            ("its tokens, with `code` from the address that the browser ends at instead of CODE", code_exchange),
        ];
        for (what, command) in commands.iter().chain(&of_code_flow) {
            println!("  {FAINT}# {what}{FAINT:#}\n  {command}");
        }
        if !demonstration.own_service {
            println!(
                "  {FAINT}# your own external service{FAINT:#}\n  tenterhook dev --hook http://127.0.0.1:3000/hooks/token"
            );
        }
        println!("\n{HEADING}System Log{HEADING:#} {FAINT}(Ctrl-C ends){FAINT:#}");
    }

    /// Shows every event until the log ends.
    pub(crate) async fn follow(self, mut log: broadcast::Receiver<Arc<LogEvent<'static>>>) {
        loop {
            match log.recv().await {
                Ok(event) if self.json => self.event(&event),
                Ok(event) => {
                    log_line(&event);
                    if let Some(DebugValue::Text(notices)) = event.debug_data.get("notices") {
                        println!("  {CHANGED}{notices}{CHANGED:#}");
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    println!("  {FAINT}… {missed} events not shown; the log has them{FAINT:#}");
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

/// One event on one line.
fn log_line(event: &LogEvent) {
    let style = if event.result == LogResult::Success { GOOD } else { BAD };
    let result = serde_json::to_value(event.result).ok();
    let result = result.as_ref().and_then(Value::as_str).unwrap_or_default();
    let target = event.targets.first().and_then(|target| target.display_name.as_deref()).unwrap_or_default();
    let reason = of_one_line(event.reason.as_deref().unwrap_or_default());
    println!(
        "  {FAINT}{}{FAINT:#} {style}{result:<7}{style:#} {} {target} {reason}",
        event.published, event.event_type
    );
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied(_) => "APPLIED",
        Outcome::Unchanged => "UNCHANGED",
        Outcome::Refused(_) => "REFUSED",
        Outcome::Failed(_) => "FAILED",
        Outcome::Invalid(_) => "INVALID",
        Outcome::Skipped(_) => "SKIPPED",
    }
}

/// Why nothing was changed, and what to do about it.
fn why_unchanged(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Applied(_) => None,
        Outcome::Unchanged => Some("The answer has no commands, so nothing was changed.".to_owned()),
        Outcome::Refused(error) => Some(format!("The service refused: {}", of_one_line(error.summary_or_default()))),
        Outcome::Failed(failure) => Some(format!("{}: {}", failure.code, of_one_line(&failure.detail))),
        Outcome::Skipped(reason) => Some(format!("The service was not asked: {}", reason.code())),
        Outcome::Invalid(problems) => {
            let lines = problems.iter().map(|problem| of_one_line(&problem.sentence()).into_owned());
            Some(lines.collect::<Vec<_>>().join("\n  "))
        }
    }
}

fn indented(value: &Value) -> String {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    pretty.lines().map(|line| format!("  {}", of_one_line(line))).collect::<Vec<_>>().join("\n")
}

/// A text of a service without characters that would move the terminal's cursor or end the line.
fn of_one_line(text: &str) -> Cow<'_, str> {
    without_controls(text.into())
}
