//! Messages for the person at the form (`registration.md` section 4).

use super::RegistrationFlow;
use crate::{
    answer::ServiceError,
    profile::{Profile, spelled},
};

/// Messages of a form: those of its fields, and those above the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormMessages {
    /// A submitted attribute and what is wrong with it, in the answer's order.
    pub fields: Vec<(String, String)>,
    /// Messages that belong to no field.
    pub form: Vec<String>,
}

impl FormMessages {
    fn only(text: &str) -> Self {
        Self { fields: Vec::new(), form: vec![text.to_owned()] }
    }

    /// For a refusal with an `error`: its causes at the fields that they name, else the generic text. Neither the
    /// top-level summary nor a cause's domain is shown.
    ///
    /// ```
    /// use tenterhook_contract::{answer::Answer, registration::{RegistrationFlow, message::FormMessages}};
    /// let answer = br#"{"error": {"errorCauses": [{"errorSummary": "Expired.", "location": "data.userProfile.code"}]}}"#;
    /// let error = Answer::parse(answer).unwrap().error.unwrap();
    /// let submitted = serde_json::json!({ "code": "SPRING-44" });
    /// let messages = FormMessages::refused(RegistrationFlow::SelfService, &error, submitted.as_object().unwrap());
    /// assert_eq!(messages.fields, [("code".to_owned(), "Expired.".to_owned())]);
    /// ```
    pub fn refused(flow: RegistrationFlow, error: &ServiceError, submitted: &Profile) -> Self {
        let mut messages = Self::default();
        let field = |name: &str| submitted.keys().find(|known| spelled(known) == spelled(name));
        for cause in &error.causes {
            let Some(summary) = &cause.summary else { continue };
            match cause.location.as_deref().and_then(attribute).and_then(field) {
                Some(name) => messages.fields.push((name.clone(), summary.clone())),
                None => messages.form.push(summary.clone()),
            }
        }
        if messages == Self::default() {
            return Self::only(match flow {
                RegistrationFlow::SelfService => "Registration cannot be completed at this time.",
                RegistrationFlow::Progressive => "We found some errors. Please review the form and make corrections.",
            });
        }
        messages
    }

    /// For a denial without an `error`.
    ///
    /// ```
    /// use tenterhook_contract::registration::{RegistrationFlow, message::FormMessages};
    /// assert_eq!(FormMessages::denied(RegistrationFlow::SelfService).form, ["Registration denied."]);
    /// ```
    pub fn denied(flow: RegistrationFlow) -> Self {
        Self::only(match flow {
            RegistrationFlow::SelfService => "Registration denied.",
            RegistrationFlow::Progressive => "Profile update denied.",
        })
    }

    /// For an invocation without a usable answer, or with commands that were not acceptable.
    ///
    /// ```
    /// use tenterhook_contract::registration::{RegistrationFlow, message::FormMessages};
    /// assert!(FormMessages::failed(RegistrationFlow::Progressive).form[0].contains("updating your profile"));
    /// ```
    pub fn failed(flow: RegistrationFlow) -> Self {
        Self::only(match flow {
            RegistrationFlow::SelfService => "There was an error creating your account. Please try registering again.",
            RegistrationFlow::Progressive => "There was an error updating your profile. Please try again later.",
        })
    }
}

/// The attribute that a cause's location names (`open-questions.md` F4).
fn attribute(location: &str) -> Option<&str> {
    ["data.userProfile.", "data.userProfileUpdate."].into_iter().find_map(|prefix| location.strip_prefix(prefix))
}
