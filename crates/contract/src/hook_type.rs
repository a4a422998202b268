//! The hook types: their names, the six built-in ones in one line each, and the catalogue in which a name is looked up.

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{HookKind, description::Description, limits::HOOK_TYPE_NAME_BYTES_MAX};

/// The name of a hook type: `eventType` on the wire and `type` in the management API (`overview.md` section 2). Words of
/// ASCII letters, digits, `-` and `_`, with a dot between them. It is cheap to clone.
///
/// ```
/// use tenterhook_contract::HookTypeName;
/// let name: HookTypeName = "com.example.order.check".parse().unwrap();
/// assert_eq!(name, "com.example.order.check");
/// assert!("no spaces".parse::<HookTypeName>().is_err() && "a..b".parse::<HookTypeName>().is_err());
/// ```
#[derive(Clone)]
pub struct HookTypeName(Text);

#[derive(Clone)]
enum Text {
    Fixed(&'static str),
    Shared(Arc<str>),
}

/// A text that is not the name of a hook type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the name of a hook type: words of letters, digits, `-` and `_` with dots between them, at most \
     {HOOK_TYPE_NAME_BYTES_MAX} bytes"
)]
pub struct HookTypeNameError(String);

impl HookTypeName {
    /// A name that is written in the source. It is not checked: only tests of its module look at it.
    pub(crate) const fn fixed(name: &'static str) -> Self {
        Self(Text::Fixed(name))
    }

    /// The text.
    ///
    /// ```
    /// use tenterhook_contract::BuiltInType;
    /// assert_eq!(BuiltInType::UserImport.name().as_str(), "com.okta.import.transform");
    /// ```
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Fixed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= HOOK_TYPE_NAME_BYTES_MAX && text.split('.').all(is_word)
}

impl std::str::FromStr for HookTypeName {
    type Err = HookTypeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_name(text) {
            return Err(HookTypeNameError(crate::problem::shown(text).into_owned()));
        }
        // Those of the built-in types share one text each.
        let built_in = BuiltInType::ALL.iter().find(|built_in| built_in.as_str() == text);
        Ok(built_in.map_or_else(|| Self(Text::Shared(text.into())), |built_in| built_in.name().clone()))
    }
}

impl Deref for HookTypeName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// Equality and hash are those of the text.
impl Borrow<str> for HookTypeName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for HookTypeName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for HookTypeName {}

impl PartialEq<str> for HookTypeName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for HookTypeName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Hash for HookTypeName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for HookTypeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for HookTypeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for HookTypeName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for HookTypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

macro_rules! built_in_types {
    ($($(#[$doc:meta])* $name:ident = $module:ident;)*) => {
        /// The hook types that are part of the contract. Only who means one of them by name needs this: whatever works with
        /// any type takes a [`HookKind`] or a [`Description`].
        ///
        /// ```
        /// use tenterhook_contract::BuiltInType;
        /// assert_eq!(BuiltInType::Telephony.as_str(), "com.okta.telephony.provider");
        /// assert_eq!(BuiltInType::ALL.len(), 6);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum BuiltInType {
            $($(#[$doc])* $name,)*
        }

        /// The descriptions of the built-in types: the relatives of each of them.
        ///
        /// ```
        /// use tenterhook_contract::BUILT_IN_DESCRIPTIONS;
        /// assert!(BUILT_IN_DESCRIPTIONS.iter().any(|description| description.command("com.okta.access.patch").is_some()));
        /// ```
        pub static BUILT_IN_DESCRIPTIONS: [&Description; BuiltInType::ALL.len()] = [$(&crate::$module::DESCRIPTION),*];

        static BUILT_IN_KINDS: LazyLock<[Arc<dyn HookKind>; BuiltInType::ALL.len()]> =
            LazyLock::new(|| [$(Arc::new(crate::$module::Kind)),*]);

        impl BuiltInType {
            /// All of them, in the order of `overview.md` section 2.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What differs between the types and can be said without code.
            pub fn description(self) -> &'static Description {
                match self {
                    $(Self::$name => &crate::$module::DESCRIPTION,)*
                }
            }

            /// Everything that differs between the types.
            pub fn kind(self) -> &'static Arc<dyn HookKind> {
                let [$($module),*] = &*BUILT_IN_KINDS;
                match self {
                    $(Self::$name => $module,)*
                }
            }
        }
    };
}

built_in_types! {
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

impl BuiltInType {
    /// Its name.
    pub fn name(self) -> &'static HookTypeName {
        &self.description().event_type
    }

    /// The text of its name.
    ///
    /// ```
    /// assert_eq!(tenterhook_contract::BuiltInType::UserImport.as_str(), "com.okta.import.transform");
    /// ```
    pub fn as_str(self) -> &'static str {
        self.name().as_str()
    }
}

impl fmt::Display for BuiltInType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The hook types that a hook can have, looked up by name: the built-in ones, and those that were declared.
///
/// ```
/// use tenterhook_contract::{BuiltInType, HookKind as _, HookTypes};
/// let types = HookTypes::built_in();
/// assert_eq!(types.kind("com.okta.import.transform").unwrap().description().title, "User import");
/// assert!(types.kind("com.example.order.check").is_none());
/// ```
#[derive(Clone)]
pub struct HookTypes {
    kinds: Vec<Arc<dyn HookKind>>,
}

/// A type with this name is there already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hook type `{0}` is there already")]
pub struct HookTypeTaken(pub HookTypeName);

impl HookTypes {
    /// The built-in ones.
    pub fn built_in() -> &'static Arc<Self> {
        static BUILT_IN: LazyLock<Arc<HookTypes>> =
            LazyLock::new(|| Arc::new(HookTypes { kinds: BUILT_IN_KINDS.to_vec() }));
        &BUILT_IN
    }

    /// These types and one more.
    ///
    /// # Errors
    /// When one has its name.
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, HookTypes};
    /// let again = HookTypes::built_in().with(BuiltInType::Saml.kind().clone());
    /// assert!(again.is_err());
    /// ```
    pub fn with(&self, kind: Arc<dyn HookKind>) -> Result<Self, HookTypeTaken> {
        let name = &kind.description().event_type;
        if self.kind(name).is_some() {
            return Err(HookTypeTaken(name.clone()));
        }
        let mut kinds = self.kinds.clone();
        kinds.push(kind);
        Ok(Self { kinds })
    }

    /// The type with this name.
    pub fn kind(&self, name: &str) -> Option<&Arc<dyn HookKind>> {
        self.kinds.iter().find(|kind| kind.description().event_type == *name)
    }

    /// Every type, the built-in ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn HookKind>> {
        self.kinds.iter()
    }
}

impl fmt::Debug for HookTypes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter().map(|kind| &kind.description().event_type)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_dots_between_them_up_to_a_bound() {
        let longest = "x".repeat(HOOK_TYPE_NAME_BYTES_MAX);
        for (text, is_one) in [
            ("com.okta.user.pre-registration", true),
            ("order_check", true),
            (longest.as_str(), true),
            (&format!("{longest}x"), false),
            ("", false),
            (".", false),
            ("com.", false),
            ("com..x", false),
            ("com.ex ample", false),
            ("com/example", false),
            ("com.b\u{fc}cher", false),
            ("x\"y", false),
        ] {
            assert_eq!(text.parse::<HookTypeName>().is_ok(), is_one, "{text}");
        }
        assert!(BuiltInType::ALL.iter().all(|built_in| is_name(built_in.as_str())));
    }

    #[test]
    fn a_name_of_a_built_in_type_takes_no_memory_of_its_own() {
        let parsed = "com.okta.import.transform".parse::<HookTypeName>();
        assert!(matches!(parsed, Ok(HookTypeName(Text::Fixed(_)))));
    }
}
