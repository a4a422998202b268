//! A kind of configuration object: a record with an id, a parent, and a stored form.

use std::{fmt::Debug, hash::Hash, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};
use tenterhook_contract::Secret;

use crate::{Configuration, ConfigurationObject, Objects};

/// A record that is a configuration object. The table of `configuration.rs` implements it for every kind.
pub trait ConfigurationRecord: StoredForm {
    /// Its id. Every id is unique in its org, whatever the kind.
    type Id: Clone + Eq + Ord + Hash + FromStr + ToString + Debug + Send + Sync;
    /// The id of its parent, such as the authorization server of a scope. `()` for a record without a parent.
    type Parent: Clone + Eq + Hash + Debug + Send + Sync;

    /// Its id.
    fn id(&self) -> &Self::Id;

    /// The id of its parent.
    fn parent(&self) -> &Self::Parent;

    /// The list of its kind.
    fn list(configuration: &Configuration) -> &Objects<Self>;

    /// The record as an object of any kind.
    fn into_object(self) -> ConfigurationObject;
}

/// The stored form of a record. The table implements it for records that are stored as serde writes them; other records
/// implement it in their own file.
pub trait StoredForm: Sized {
    /// The document and the secrets.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn to_stored(&self) -> Result<StoredObject, UnreadableObject>;

    /// The record of a stored form.
    ///
    /// # Errors
    /// When the form is damaged, or a newer version wrote it.
    fn from_stored(stored: StoredObject) -> Result<Self, UnreadableObject>;
}

/// A configuration object as it is stored. It has no `Debug`: documents may have values of a hook.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// JSON, without secrets.
    pub document: String,
    /// The secrets by name, to be encrypted each.
    pub secrets: Vec<(String, Secret)>,
}

/// Why a stored object cannot be read. The text never contains a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableObject(pub String);

impl UnreadableObject {
    fn of_json(error: &serde_json::Error) -> Self {
        Self(format!("line {} column {}", error.line(), error.column()))
    }
}

impl StoredObject {
    /// A record as serde writes it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn write(record: &impl Serialize, secrets: Vec<(String, Secret)>) -> Result<Self, UnreadableObject> {
        let document = serde_json::to_string(record).map_err(|error| UnreadableObject::of_json(&error))?;
        Ok(Self { document, secrets })
    }

    /// The record as serde reads it.
    ///
    /// # Errors
    /// When the document does not fit; the text has the position, not the content.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, UnreadableObject> {
        serde_json::from_str(&self.document).map_err(|error| UnreadableObject::of_json(&error))
    }

    /// The secret with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn secret(&self, name: &str) -> Result<Secret, UnreadableObject> {
        let found = self.secrets.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.clone());
        found.ok_or_else(|| UnreadableObject(format!("the secret `{name}` is missing")))
    }
}

/// Generates from a table of kinds: [`Configuration`](crate::Configuration) with a list for each,
/// [`ConfigurationObject`](crate::ConfigurationObject) with a variant for each, and how both are read, written and
/// stored.
macro_rules! configuration_kinds {
    ($(
        $(#[$doc:meta])*
        $variant:ident($held:ty) => $list:ident: $record:ty,
        id $id:ident: $id_type:ty,
        $(below $parent:ident: $parent_type:ty,)?
        stored as $kind:literal $form:ident $(($($secret:tt)*))?;
    )*) => {
        /// Everything of one org that the snapshot holds, at one version. Objects are in creation order.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Configuration {
            /// The version that was read.
            pub version: ConfigurationVersion,
            $($(#[$doc])* pub $list: Objects<$record>,)*
        }

        /// One configuration object, for writing.
        #[derive(Clone, Debug)]
        pub enum ConfigurationObject {
            $($(#[$doc])* $variant($held),)*
        }

        impl Configuration {
            /// Inserts the object or replaces the one with its id. A new one gets `position`.
            pub fn put(&mut self, position: i64, object: ConfigurationObject) {
                match object {
                    $(ConfigurationObject::$variant(object) => self.$list.put(position, &std::sync::Arc::from(object)),)*
                }
            }

            /// Removes the object with this id, whatever its kind, if it is here.
            pub fn remove(&mut self, id: &str) {
                $(self.$list.remove(id);)*
            }

            /// How many objects there are.
            pub fn len(&self) -> usize {
                [$(self.$list.len()),*].into_iter().sum()
            }

            /// Whether there is none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Replaces objects by equal ones of `before`, so that values derived from them, such as a parsed key,
            /// remain valid.
            pub fn share_with(&mut self, before: &Self) {
                $(self.$list.share_with(&before.$list);)*
            }
        }

        impl ConfigurationObject {
            /// Its kind, as rows name it.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)*
                }
            }

            /// Its id's text.
            pub fn id(&self) -> String {
                match self {
                    $(Self::$variant(object) => object.$id.to_string(),)*
                }
            }

            /// The form to store.
            ///
            /// # Errors
            /// When it cannot be written as JSON.
            pub fn to_stored(&self) -> Result<StoredObject, UnreadableObject> {
                match self {
                    $(Self::$variant(object) => <$record as StoredForm>::to_stored(object),)*
                }
            }

            /// The object as it is read back: a stored form may hold less, such as times without their microseconds.
            ///
            /// # Errors
            /// When it cannot be written, or not be read back.
            pub fn as_stored(&self) -> Result<Self, UnreadableObject> {
                let unknown = || Err(UnreadableObject("its kind is unknown".to_owned()));
                Self::from_stored(self.kind(), self.to_stored()?).unwrap_or_else(unknown)
            }

            /// The object of a stored form. `None` for a kind that is not in the table: a newer version wrote it.
            ///
            /// # Errors
            /// When the form is damaged.
            pub fn from_stored(kind: &str, stored: StoredObject) -> Option<Result<Self, UnreadableObject>> {
                match kind {
                    $($kind => Some(<$record as StoredForm>::from_stored(stored).map(|object| Self::$variant(object.into()))),)*
                    _ => None,
                }
            }
        }

        $(
            impl ConfigurationRecord for $record {
                type Id = $id_type;
                type Parent = configuration_kinds!(@parent $($parent_type)?);

                fn id(&self) -> &$id_type {
                    &self.$id
                }

                fn parent(&self) -> &Self::Parent {
                    configuration_kinds!(@parent_of self $($parent)?)
                }

                fn list(configuration: &Configuration) -> &Objects<Self> {
                    &configuration.$list
                }

                fn into_object(self) -> ConfigurationObject {
                    ConfigurationObject::$variant(self.into())
                }
            }

            configuration_kinds!(@form $record, $form $(($($secret)*))?);
        )*
    };
    (@parent) => { () };
    (@parent $type:ty) => { $type };
    (@parent_of $record:ident) => { &() };
    (@parent_of $record:ident $member:ident) => { &$record.$member };
    // Stored as serde writes it, without secrets.
    (@form $record:ty, plain) => {
        impl StoredForm for $record {
            fn to_stored(&self) -> Result<StoredObject, UnreadableObject> {
                StoredObject::write(self, Vec::new())
            }

            fn from_stored(stored: StoredObject) -> Result<Self, UnreadableObject> {
                stored.read()
            }
        }
    };
    // Like `plain`, with a member that serde skips and that is stored encrypted.
    (@form $record:ty, secret($member:ident as $name:literal)) => {
        impl StoredForm for $record {
            fn to_stored(&self) -> Result<StoredObject, UnreadableObject> {
                StoredObject::write(self, vec![($name.to_owned(), self.$member.clone())])
            }

            fn from_stored(stored: StoredObject) -> Result<Self, UnreadableObject> {
                Ok(Self { $member: stored.secret($name)?, ..stored.read()? })
            }
        }
    };
    // The record's file implements `StoredForm`.
    (@form $record:ty, own) => {};
}

pub(crate) use configuration_kinds;
