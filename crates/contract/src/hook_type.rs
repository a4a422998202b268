//! The hook types, one line each.

use std::fmt;

use serde::Serialize;

use crate::{HookKind, description::Description};

/// A text that names none of the types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown inline hook type `{0}`")]
pub struct UnknownHookType(pub String);

macro_rules! hook_types {
    ($($(#[$doc:meta])* $name:ident = $module:ident;)*) => {
        /// A hook type: `eventType` on the wire and `type` in the management API (`overview.md` section 2).
        ///
        /// ```
        /// use tenterhook_contract::HookType;
        /// assert_eq!("com.okta.telephony.provider".parse(), Ok(HookType::Telephony));
        /// assert_eq!(HookType::ALL.len(), 6);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum HookType {
            $($(#[$doc])* $name,)*
        }

        /// The descriptions of all of them.
        pub(crate) fn built_in() -> &'static [&'static Description] {
            static BUILT_IN: &[&Description] = &[$(&crate::$module::DESCRIPTION),*];
            BUILT_IN
        }

        impl HookType {
            /// All of them, in the order of `overview.md` section 2.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What differs between the types and can be said without code.
            pub fn description(self) -> &'static Description {
                match self {
                    $(Self::$name => &crate::$module::DESCRIPTION,)*
                }
            }

            /// Everything that differs between the types.
            pub fn kind(self) -> &'static dyn HookKind {
                match self {
                    $(Self::$name => &crate::$module::Kind,)*
                }
            }
        }
    };
}

hook_types! {
    /// Tokens minted by a custom authorization server.
    Token = token;
    /// A SAML assertion before it goes to the app.
    Saml = saml;
    /// Self-service registration and progressive profile.
    Registration = registration;
    /// The first sign-in of a user whose password has not been imported.
    PasswordImport = password_import;
    /// Each user imported from an app.
    UserImport = user_import;
    /// A one-time passcode about to be sent by SMS or voice.
    Telephony = telephony;
}

impl HookType {
    /// The type string.
    ///
    /// ```
    /// assert_eq!(tenterhook_contract::HookType::UserImport.as_str(), "com.okta.import.transform");
    /// ```
    pub fn as_str(self) -> &'static str {
        &self.description().event_type
    }
}

impl std::str::FromStr for HookType {
    type Err = UnknownHookType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownHookType(text.to_owned()))
    }
}

impl fmt::Display for HookType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for HookType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for HookType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HookType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names = Self::ALL.iter().map(|hook_type| hook_type.as_str()).collect::<Vec<_>>();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}
