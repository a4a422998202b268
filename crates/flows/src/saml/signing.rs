//! Writing, encrypting and signing a response with an assertion.
//!
//! A signature takes 0.6 ms of CPU, and stays on the thread of its request as the signatures of tokens do: there another thread costs
//! more than it saves (`docs/performance.md`, tokens). What grows with the assertion is digested, encrypted and copied several times
//! besides, so that a large one is written on a thread of its own, of which there are few.

use std::{
    sync::{Arc, LazyLock},
    thread::available_parallelism,
    time::Duration,
};

use tenterhook_contract::{
    id::OrgId,
    saml::{assertion::Assertion, size::AssertionSize},
};
use tenterhook_platform::fair_queue::{Bounds, FairQueue};
use tenterhook_saml::{
    keys::{KeyError, SigningKey},
    write::{EncryptTo, Outcome, Response, Signed},
};

use super::error::SamlProblem;

/// Bytes of XML that are written on the thread of the request.
const AT_ONCE_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of XML around the text of a value: its tags and declarations.
const VALUE_BYTES: usize = 200;
/// Large responses that are written at the same time, if there are as many cores.
const WRITING_MAX: usize = 2;
/// How long a large response may wait.
const WAIT: Duration = Duration::from_secs(3);
/// Large responses that may wait: in all, and of an org.
const WAITING_MAX: Bounds = Bounds { in_all: 256, of_same: &[64] };
/// The queue of this process.
static WRITING: LazyLock<FairQueue<OrgId, ()>> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    FairQueue::new(vec![(); cores.min(WRITING_MAX)], WAITING_MAX)
});

/// How a response is signed and encrypted.
pub(super) struct Signing {
    pub(super) key: Arc<SigningKey>,
    pub(super) signed: Signed,
    pub(super) encryption: Option<EncryptTo>,
}

impl Signing {
    /// What `then` makes of the signed response, on the thread that has signed it: it also takes as long as the response is large.
    pub(super) async fn write<P: Send + 'static>(
        self,
        org: &OrgId,
        response: Response,
        then: impl FnOnce(String) -> P + Send + 'static,
    ) -> Result<P, SamlProblem> {
        if !is_large(&response) {
            return self.xml(&response).map(then);
        }
        let permit = WRITING.acquire(std::slice::from_ref(org), WAIT).await.ok_or(SamlProblem::TooManyLarge)?;
        // The work continues when its caller has gone, so the work holds the permit.
        let writing = tokio::task::spawn_blocking(move || permit.with(|()| self.xml(&response).map(then)));
        writing.await.map_err(|_| KeyError::NotSigned)?
    }

    fn xml(&self, response: &Response) -> Result<String, SamlProblem> {
        Ok(response.to_signed_xml(&self.key, self.signed, self.encryption.as_ref())?)
    }
}

fn is_large(response: &Response) -> bool {
    match &response.outcome {
        Outcome::SignedOn(draft) => xml_bytes(&draft.assertion) > AT_ONCE_BYTES_MAX,
        Outcome::Failed(_) => false,
    }
}

/// About as many bytes as an assertion has as XML.
fn xml_bytes(assertion: &Assertion) -> usize {
    let AssertionSize { values, text_bytes } = AssertionSize::of(assertion);
    values * VALUE_BYTES + text_bytes
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::thread;

    use serde_json::json;
    use tenterhook_contract::Timestamp;
    use tenterhook_saml::{keys::generate, write::AssertionDraft};

    use super::*;

    fn response(text_bytes: usize) -> Response {
        let assertion = json!({
            "subject": {
                "nameId": "a".repeat(text_bytes),
                "nameFormat": "urn:x",
                "confirmation": { "method": "urn:y", "data": { "recipient": "https://a.example/acs" } },
            },
            "authentication": { "sessionIndex": "id1", "authnContext": { "authnContextClassRef": "urn:z" } },
            "conditions": { "audienceRestriction": ["urn:a"] },
            "lifetime": { "expiration": 300 },
        });
        let now = Timestamp::from_micros(0);
        let draft = AssertionDraft {
            id: "_a".to_owned(),
            issuer: "urn:i".to_owned(),
            issue_instant: now,
            not_before: now,
            authn_instant: now,
            in_response_to: None,
            name_qualifier: None,
            sp_name_qualifier: None,
            assertion: Assertion::from_json(&assertion).unwrap(),
        };
        Response {
            id: "_r".to_owned(),
            in_response_to: None,
            destination: "https://a.example/acs".to_owned(),
            issuer: "urn:i".to_owned(),
            issue_instant: now,
            outcome: Outcome::SignedOn(Box::new(draft)),
        }
    }

    #[tokio::test]
    async fn a_large_response_is_made_a_page_off_the_thread_of_its_request() {
        let now = Timestamp::from_micros(1_770_000_000_000_000);
        let key = generate("Identity provider", now, now.plus_seconds(86_400)).unwrap();
        let key = Arc::new(SigningKey::new(&key.private_key_pem, &key.certificate).unwrap());
        for (text_bytes, is_here) in [(100, true), (AT_ONCE_BYTES_MAX + 1, false)] {
            let signing = Signing { key: Arc::clone(&key), signed: Signed::Both, encryption: None };
            let org = OrgId::from_parts(1, [0; 8]);
            let then = |xml: String| (xml.len(), thread::current().id());
            let (bytes, thread) = signing.write(&org, response(text_bytes), then).await.unwrap();
            assert!(bytes > text_bytes);
            assert_eq!(thread == thread::current().id(), is_here, "{text_bytes}");
        }
    }
}
