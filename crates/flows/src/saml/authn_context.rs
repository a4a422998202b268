//! What a request may ask of the way in which the user is authenticated (SAML core 3.3.2.2.1).

use tenterhook_saml::read::{Comparison, RequestedAuthnContext};

/// What a sign-in with a password can be said to be, the weakest first (SAML authentication context 3.4).
const CLASSES: [&str; 3] = [
    "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
];

/// The class of the assertion that satisfies the request; `None` when none does. `own` is what the app's assertions say, which
/// goes before others that satisfy it too.
pub(super) fn class_for<'a>(own: &'a str, requested: Option<&'a RequestedAuthnContext>) -> Option<&'a str> {
    let Some(RequestedAuthnContext { comparison, class_refs, .. }) = requested else { return Some(own) };
    let rank = |class: &str| CLASSES.iter().position(|known| *known == class);
    let requested = class_refs.iter().map(String::as_str);
    // A class that only the administrator knows is comparable with itself alone.
    let fits = |class: &str| {
        requested.clone().any(|asked| match (comparison, rank(class), rank(asked)) {
            (Comparison::Better, Some(class), Some(asked)) => class > asked,
            (Comparison::Better, ..) => false,
            (Comparison::Minimum, Some(class), Some(asked)) => class >= asked,
            (Comparison::Maximum, Some(class), Some(asked)) => class <= asked,
            (Comparison::Exact | Comparison::Minimum | Comparison::Maximum, ..) => class == asked,
        })
    };
    std::iter::once(own).chain(CLASSES.into_iter().rev()).find(|class| fits(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_the_class_that_it_asks_for_or_none() {
        let [unspecified, password, protected] = CLASSES;
        let own = protected;
        for (comparison, asked, class) in [
            (Comparison::Exact, &[protected][..], Some(protected)),
            (Comparison::Exact, &[password], Some(password)),
            (Comparison::Exact, &[unspecified], Some(unspecified)),
            (Comparison::Exact, &["urn:x509", password], Some(password)),
            (Comparison::Exact, &["urn:x509"], None),
            (Comparison::Exact, &[], None),
            (Comparison::Minimum, &[password], Some(protected)),
            (Comparison::Minimum, &["urn:x509"], None),
            (Comparison::Maximum, &[password], Some(password)),
            (Comparison::Maximum, &[protected], Some(protected)),
            (Comparison::Maximum, &["urn:x509"], None),
            (Comparison::Better, &[password], Some(protected)),
            (Comparison::Better, &[protected], None),
            (Comparison::Better, &["urn:x509"], None),
        ] {
            let class_refs = asked.iter().map(|class| (*class).to_owned()).collect();
            let requested = RequestedAuthnContext { comparison, class_refs, declaration_refs: Vec::new() };
            assert_eq!(class_for(own, Some(&requested)), class, "{comparison:?} {asked:?}");
        }
        assert_eq!(class_for("urn:own", None), Some("urn:own"));
        let class_refs = vec!["urn:own".to_owned(), protected.to_owned()];
        let requested = RequestedAuthnContext { comparison: Comparison::Exact, class_refs, declaration_refs: vec![] };
        assert_eq!(class_for("urn:own", Some(&requested)), Some("urn:own"));
    }
}
