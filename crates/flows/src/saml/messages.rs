//! What the messages of service providers have in common: how they are decoded, whose they must be, when, and who signed them.

use tenterhook_contract::Timestamp;
use tenterhook_model::{NameIdFormat, SamlApp};
use tenterhook_platform::{Caller, entropy::sha256_hex};
use tenterhook_saml::{
    Certificate, NameId,
    binding::{
        BindingError, MessageKind, post,
        redirect::{self, RedirectMessage},
    },
    read::ReadError,
    verify::{self, VerifyError},
};

use super::error::SamlProblem;

/// Seconds by which the clocks of a service provider and ours may differ, the way of a message included.
pub const SKEW_SECONDS: i64 = 300;
/// Bytes of the query of a message at most. It is in the address of the sign-in page and in the document of a hook, and with the path
/// it fits into the longest request line that nginx accepts without settings, which is 8 KB.
pub const QUERY_BYTES_MAX: usize = 7 * 1_024;

/// The message in the query of a request, and `RelayState`. No message for a sign-on that begins here.
pub(super) fn decode(caller: &Caller) -> Result<(Option<RedirectMessage>, Option<String>), SamlProblem> {
    let query = caller.query.as_deref().unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(SamlProblem::TooLarge);
    }
    let has = |name: &str| query.split('&').any(|piece| piece.split('=').next() == Some(name));
    let has_message = [MessageKind::Request, MessageKind::Response].iter().any(|kind| has(kind.parameter()));
    let (message, relay_state) = if has_message {
        let mut message = redirect::decode(query)?;
        let relay_state = message.relay_state.take();
        (Some(message), relay_state)
    } else {
        (None, redirect::relay_state(query)?)
    };
    if relay_state.as_deref().is_some_and(|state| state.contains(char::is_control)) {
        return Err(SamlProblem::RelayState);
    }
    Ok((message, relay_state))
}

/// The query of the Redirect binding with the message of a form, in which `RelayState` has the same value.
///
/// # Errors
/// When the form has no message of this kind, or the query is too large.
pub fn query_of_form(form: &[u8]) -> Result<String, SamlProblem> {
    let form = std::str::from_utf8(form).map_err(|_| BindingError::NotUtf8("the form"))?;
    let message = post::decode(form)?;
    let xml = std::str::from_utf8(&message.xml).map_err(|_| ReadError::NotUtf8)?;
    let query = redirect::encode(message.kind, xml, message.relay_state.as_deref(), None)?;
    if query.len() > QUERY_BYTES_MAX { Err(SamlProblem::TooLarge) } else { Ok(query) }
}

/// Verifies every signature of a message; there must be one if `required`. Without certificates of the app a signature that is
/// not required proves nothing, and is passed over.
pub(super) fn verify(
    app: &SamlApp,
    message: &RedirectMessage,
    is_signed: bool,
    required: bool,
) -> Result<(), SamlProblem> {
    let certificates = app.sp_certificates.iter().map(|text| Certificate::from_text(text));
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|_| SamlProblem::Certificate)?;
    if certificates.is_empty() && !required {
        return Ok(());
    }
    if let Some(signature) = &message.signature {
        signature.verify(&certificates)?;
    }
    if is_signed {
        verify::enveloped(&message.xml, &certificates)?;
    }
    if required && message.signature.is_none() && !is_signed {
        return Err(VerifyError::NotSigned.into());
    }
    Ok(())
}

/// Whether a message that was made at `issued` arrives in time.
pub(super) fn is_current(issued: Timestamp, now: Timestamp) -> bool {
    issued >= now.plus_seconds(-SKEW_SECONDS) && issued <= now.plus_seconds(SKEW_SECONDS)
}

/// `Destination` must be our URL; a message without a signature may lack it (SAML bindings 3.4.5.2 and 3.5.5.2). `is_signed` is
/// for a signature in the message.
pub(super) fn check_destination(
    message: &RedirectMessage,
    is_signed: bool,
    destination: Option<&str>,
    own: &str,
) -> Result<(), SamlProblem> {
    match destination {
        Some(destination) if destination == own => Ok(()),
        None if message.signature.is_none() && !is_signed => Ok(()),
        _ => Err(SamlProblem::Destination),
    }
}

/// Whether a message names a user as an assertion did: the name, and the format unless it is not specified.
pub(super) fn is_name_of(name_id: &NameId, name: &str, name_format: &str) -> bool {
    let format = name_id.format.as_deref().filter(|format| *format != NameIdFormat::Unspecified.uri());
    // The reader of messages trims the white space of XML.
    name_id.value == name.trim_matches([' ', '\t', '\n', '\r']) && format.is_none_or(|format| format == name_format)
}

/// What a request of an app is known by: of two apps' requests with the same id, each is its own.
pub(super) fn fingerprint(app: &SamlApp, request_id: &str) -> String {
    sha256_hex(&format!("{} {request_id}", app.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_compared_without_the_white_space_of_xml_and_with_every_other_one() {
        let persistent = NameIdFormat::Persistent.uri();
        let unspecified = NameIdFormat::Unspecified.uri();
        for (value, format, name, is_same) in [
            ("ada", None, "ada", true),
            ("ada", None, " \t\r\nada\n", true),
            ("ada", Some(unspecified), "ada", true),
            ("ada", Some(persistent), "ada", true),
            ("ada", Some("urn:other"), "ada", false),
            ("ada", None, "Ada", false),
            ("ada", None, "grace", false),
            ("ada", None, "ada\u{a0}", false),
            ("ada\u{a0}", None, "ada\u{a0}", true),
        ] {
            let name_id = NameId {
                value: value.to_owned(),
                format: format.map(str::to_owned),
                name_qualifier: None,
                sp_name_qualifier: None,
            };
            assert_eq!(is_name_of(&name_id, name, persistent), is_same, "{value:?} {format:?} {name:?}");
        }
    }
}
