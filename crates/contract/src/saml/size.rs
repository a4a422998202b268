//! How large an assertion may be: whoever builds one stops at these bounds, and no answer takes one beyond them.

use super::assertion::{Assertion, Attribute};
use crate::limits::{ASSERTION_TEXT_BYTES_MAX, ASSERTION_VALUES_MAX};

/// How large an assertion is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssertionSize {
    /// Values of attributes, and audiences. An attribute without a value counts as one.
    pub values: usize,
    /// Bytes of all its texts: names, formats, types, values, the name identifier.
    pub text_bytes: usize,
}

/// Which bound an assertion exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionTooLarge {
    /// [`ASSERTION_VALUES_MAX`].
    #[error("more than {ASSERTION_VALUES_MAX} values, where an attribute without a value and an audience count as one")]
    Values,
    /// [`ASSERTION_TEXT_BYTES_MAX`].
    #[error("more than {ASSERTION_TEXT_BYTES_MAX} bytes of text")]
    Text,
}

impl AssertionSize {
    /// The size of a whole assertion.
    ///
    /// ```
    /// # use tenterhook_contract::{BuiltInType, saml::assertion::Assertion};
    /// use tenterhook_contract::saml::size::AssertionSize;
    /// # let sample = BuiltInType::Saml.kind().sample_requests()[0];
    /// # let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
    /// let assertion = Assertion::from_json(&sample["data"]["assertion"]).unwrap();
    /// let size = AssertionSize::of(&assertion);
    /// assert_eq!(size.values, 4, "three values and an audience");
    /// assert!(size.check().is_ok());
    /// ```
    pub fn of(assertion: &Assertion) -> Self {
        let Assertion { subject, authentication, conditions, claims, .. } = assertion;
        let mut size = Self::default();
        let texts = [
            &subject.name_id,
            &subject.name_format,
            &subject.confirmation.method,
            &subject.confirmation.data.recipient,
            &authentication.session_index,
            &authentication.authn_context.authn_context_class_ref,
        ];
        size.text_bytes += texts.into_iter().chain(&conditions.audience_restriction).map(String::len).sum::<usize>();
        size.values += conditions.audience_restriction.len();
        for (name, attribute) in claims.iter() {
            size.add(name, attribute);
        }
        size
    }

    /// Counts one more attribute.
    pub fn add(&mut self, name: &str, attribute: &Attribute) {
        let of_values = attribute.values.iter().map(|value| value.attributes.kind.len() + value.value.len());
        self.values += attribute.values.len().max(1);
        self.text_bytes += name.len() + attribute.attributes.name_format.len() + of_values.sum::<usize>();
    }

    /// Whether it is within the bounds.
    ///
    /// # Errors
    /// The bound that it exceeds.
    pub fn check(self) -> Result<(), AssertionTooLarge> {
        self.check_growth(Self::default())
    }

    /// Whether it is within the bounds, or not larger than what was there before. A host's own assertion may be larger from the
    /// beginning.
    pub(super) fn check_growth(self, before: Self) -> Result<(), AssertionTooLarge> {
        if self.values > before.values.max(ASSERTION_VALUES_MAX) {
            return Err(AssertionTooLarge::Values);
        }
        if self.text_bytes > before.text_bytes.max(ASSERTION_TEXT_BYTES_MAX) {
            return Err(AssertionTooLarge::Text);
        }
        Ok(())
    }
}
