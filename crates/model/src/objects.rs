//! The configuration objects of one kind, in the order of their creation, found by id and by parent.

use std::{collections::HashMap, fmt, sync::Arc};

use crate::ConfigurationRecord;

/// The objects of one kind of an org.
///
/// A copy shares everything with the original; a change of one of them copies the lists of pointers, not the objects. So a
/// snapshot that is in use stays as it is while the next one is made.
///
/// ```
/// use tenterhook_contract::{Timestamp, id::ClientId};
/// use tenterhook_model::{ClientAuthenticationMethod, OAuthClient, Objects, Status};
/// # let client = |number: u8| OAuthClient {
/// #     id: ClientId::from_parts(1, [number; 8]),
/// #     name: number.to_string(),
/// #     application_type: None,
/// #     authentication: ClientAuthenticationMethod::None,
/// #     secret_sha256: None,
/// #     redirect_uris: Vec::new(),
/// #     grant_types: Vec::new(),
/// #     response_types: Vec::new(),
/// #     implicit_assignment: true,
/// #     pkce_required: false,
/// #     refresh_rotation: None,
/// #     hide: Default::default(),
/// #     user_name: Default::default(),
/// #     told: Default::default(),
/// #     enrollment_policy: None,
/// #     status: Status::Active,
/// #     created: Timestamp::from_micros(0),
/// #     last_updated: Timestamp::from_micros(0),
/// # };
/// let clients: Objects<OAuthClient> = [client(1), client(2)].into_iter().collect();
/// assert_eq!(clients.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(), ["1", "2"]);
/// assert_eq!(clients.get(&client(2).id).unwrap().name, "2");
/// ```
pub struct Objects<T: ConfigurationRecord>(Arc<Indexed<T>>);

type Entry<T> = (i64, Arc<T>);

struct Indexed<T: ConfigurationRecord> {
    /// By position, then by id.
    list: Vec<Entry<T>>,
    /// Positions, so that a copy of the index touches no object.
    positions: HashMap<T::Id, i64>,
    /// The same entries by parent, each list in the same order.
    below: HashMap<T::Parent, Arc<Vec<Entry<T>>>>,
}

impl<T: ConfigurationRecord> Indexed<T> {
    fn get(&self, id: &T::Id) -> Option<&Arc<T>> {
        let place = place_of(&self.list, *self.positions.get(id)?, id).ok()?;
        self.list.get(place).map(|(_, object)| object)
    }

    fn remove(&mut self, id: &T::Id) -> Option<Entry<T>> {
        let position = self.positions.remove(id)?;
        let place = place_of(&self.list, position, id).ok()?;
        let removed = self.list.remove(place);
        let parent = removed.1.parent();
        if let Some(siblings) = self.below.get_mut(parent) {
            let siblings = Arc::make_mut(siblings);
            if let Ok(place) = place_of(siblings, position, id) {
                siblings.remove(place);
            }
            if siblings.is_empty() {
                self.below.remove(parent);
            }
        }
        Some(removed)
    }

    fn insert(&mut self, position: i64, object: &Arc<T>) {
        insert_into(&mut self.list, position, object);
        self.positions.insert(object.id().clone(), position);
        let siblings = self.below.entry(object.parent().clone()).or_default();
        insert_into(Arc::make_mut(siblings), position, object);
    }
}

/// The index of the object, or the index where it would be inserted.
fn place_of<T: ConfigurationRecord>(list: &[Entry<T>], position: i64, id: &T::Id) -> Result<usize, usize> {
    list.binary_search_by(|(known, object)| known.cmp(&position).then_with(|| object.id().cmp(id)))
}

fn insert_into<T: ConfigurationRecord>(list: &mut Vec<Entry<T>>, position: i64, object: &Arc<T>) {
    match place_of(list, position, object.id()) {
        // No object is in the list twice: it was removed before.
        Ok(place) | Err(place) => list.insert(place, (position, Arc::clone(object))),
    }
}

impl<T: ConfigurationRecord> Objects<T> {
    /// The object with this id.
    pub fn get(&self, id: &T::Id) -> Option<&T> {
        self.0.get(id).map(AsRef::as_ref)
    }

    /// The object with this id, to be kept.
    pub fn get_shared(&self, id: &T::Id) -> Option<&Arc<T>> {
        self.0.get(id)
    }

    /// The object whose id has this text.
    pub fn find(&self, id: &str) -> Option<&T> {
        self.get(&id.parse().ok()?)
    }

    /// The objects below this parent, in the order of their creation.
    pub fn below(&self, parent: &T::Parent) -> impl DoubleEndedIterator<Item = &T> + Clone + use<'_, T> {
        let siblings = self.0.below.get(parent).map(|siblings| siblings.as_slice()).unwrap_or_default();
        siblings.iter().map(|(_, object)| object.as_ref())
    }

    /// All, in the order of their creation.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self.0.list.iter())
    }

    /// All, to be kept.
    pub fn iter_shared(&self) -> impl DoubleEndedIterator<Item = &Arc<T>> {
        self.0.list.iter().map(|(_, object)| object)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.list.is_empty()
    }

    /// Whether both are the same list, unchanged.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The objects that are in only one of the lists: those of `before`, and those of `self`. Replaced objects are in
    /// both results.
    pub fn difference<'a>(&'a self, before: &'a Self) -> (Vec<&'a Arc<T>>, Vec<&'a Arc<T>>) {
        if self.is_same(before) {
            return Default::default();
        }
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        let (mut old, mut now) = (before.0.list.iter().peekable(), self.0.list.iter().peekable());
        while let Some((one, other)) = old.peek().zip(now.peek()) {
            if Arc::ptr_eq(&one.1, &other.1) {
                old.next();
                now.next();
                continue;
            }
            let order = one.0.cmp(&other.0).then_with(|| one.1.id().cmp(other.1.id()));
            if order.is_le() {
                gone.extend(old.next().map(|(_, object)| object));
            }
            if order.is_ge() {
                new.extend(now.next().map(|(_, object)| object));
            }
        }
        gone.extend(old.map(|(_, object)| object));
        new.extend(now.map(|(_, object)| object));
        (gone, new)
    }

    /// Inserts an object, or replaces the one with its id. A new one gets `position`.
    pub(crate) fn put(&mut self, position: i64, object: &Arc<T>) {
        let indexed = Arc::make_mut(&mut self.0);
        let position = indexed.remove(object.id()).map_or(position, |(known, _)| known);
        indexed.insert(position, object);
    }

    /// Removes the object whose id has this text, if it is here.
    pub(crate) fn remove(&mut self, id: &str) {
        if let Ok(id) = id.parse::<T::Id>()
            && self.0.positions.contains_key(&id)
        {
            Arc::make_mut(&mut self.0).remove(&id);
        }
    }
}

impl<T: ConfigurationRecord + PartialEq> Objects<T> {
    /// Replaces objects by equal ones of `before`, so that values derived from them remain valid.
    pub(crate) fn share_with(&mut self, before: &Self) {
        if self == before && self.0.list.iter().zip(&before.0.list).all(|(one, other)| one.0 == other.0) {
            *self = before.clone();
            return;
        }
        let shared = |(position, object): &Entry<T>| {
            let known = before.0.get(object.id()).filter(|known| known.as_ref() == object.as_ref());
            (*position, Arc::clone(known.unwrap_or(object)))
        };
        let mut indexed = Indexed::default();
        for (position, object) in self.0.list.iter().map(shared) {
            indexed.insert(position, &object);
        }
        *self = Self(Arc::new(indexed));
    }
}

/// The objects of one kind, in the order of their creation.
pub struct Iter<'a, T>(std::slice::Iter<'a, Entry<T>>);

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.0.next().map(|(_, object)| object.as_ref())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(_, object)| object.as_ref())
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'a, T: ConfigurationRecord> IntoIterator for &'a Objects<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T: ConfigurationRecord> FromIterator<T> for Objects<T> {
    fn from_iter<I: IntoIterator<Item = T>>(objects: I) -> Self {
        let mut list = Self::default();
        for (position, object) in (0..).zip(objects) {
            list.put(position, &Arc::new(object));
        }
        list
    }
}

impl<T: ConfigurationRecord> Default for Indexed<T> {
    fn default() -> Self {
        Self { list: Vec::new(), positions: HashMap::new(), below: HashMap::new() }
    }
}

impl<T: ConfigurationRecord> Clone for Indexed<T> {
    fn clone(&self) -> Self {
        // With room for one more, because the copy is made for a change.
        let mut list = Vec::with_capacity(self.list.len() + 1);
        list.extend(self.list.iter().cloned());
        Self { list, positions: self.positions.clone(), below: self.below.clone() }
    }
}

impl<T: ConfigurationRecord> Default for Objects<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: ConfigurationRecord> Clone for Objects<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ConfigurationRecord + PartialEq> PartialEq for Objects<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.iter().eq(other.iter())
    }
}

impl<T: ConfigurationRecord + fmt::Debug> fmt::Debug for Objects<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::id::{AuthorizationServerId, ScopeId};

    use super::*;
    use crate::Scope;

    fn server(number: u8) -> AuthorizationServerId {
        AuthorizationServerId::from_parts(1, [number; 8])
    }

    fn scope(number: u8, server_number: u8, name: &str) -> Arc<Scope> {
        Arc::new(Scope {
            id: ScopeId::from_parts(1, [number; 8]),
            authorization_server_id: server(server_number),
            name: name.to_owned(),
            description: String::new(),
            display_name: None,
            default: false,
            optional: false,
            system: false,
            published: true,
        })
    }

    fn names<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Vec<&'a str> {
        scopes.map(|scope| scope.name.as_str()).collect()
    }

    #[test]
    fn objects_stay_in_their_order_and_are_found_by_id_and_by_parent_whatever_is_done_to_them() {
        let mut scopes = Objects::default();
        for (position, object) in
            [(2, scope(1, 1, "c")), (1, scope(2, 2, "b")), (1, scope(1, 1, "C")), (0, scope(3, 1, "a"))]
        {
            scopes.put(position, &object);
        }
        assert_eq!(names(scopes.iter()), ["a", "b", "C"], "the replaced one stays where it was");
        assert_eq!(names(scopes.below(&server(1))), ["a", "C"]);
        assert_eq!(scopes.find(scope(1, 1, "").id.as_str()).unwrap().name, "C");
        let before = scopes.clone();
        // It moves below another server.
        scopes.put(9, &scope(3, 2, "a"));
        assert_eq!((names(scopes.below(&server(1))), names(scopes.below(&server(2)))), (vec!["C"], vec!["a", "b"]));
        scopes.remove(scope(1, 1, "").id.as_str());
        scopes.remove("no id");
        assert_eq!(names(scopes.iter()), ["a", "b"]);
        assert_eq!(scopes.below(&server(1)).count(), 0);
        assert_eq!(names(before.iter()), ["a", "b", "C"], "a copy is not touched");
        assert_eq!(names(before.below(&server(1))), ["a", "C"]);
    }

    #[test]
    fn only_what_was_changed_differs_and_what_is_read_again_is_shared() {
        let before: Objects<Scope> =
            [(1, "a"), (2, "b"), (3, "c")].map(|(id, name)| Scope::clone(&scope(id, 1, name))).into_iter().collect();
        let mut after = before.clone();
        after.put(0, &scope(2, 1, "B"));
        after.remove(scope(3, 1, "").id.as_str());
        after.put(7, &scope(4, 1, "d"));
        let (gone, new) = after.difference(&before);
        assert_eq!(names(gone.into_iter().map(AsRef::as_ref)), ["b", "c"]);
        assert_eq!(names(new.into_iter().map(AsRef::as_ref)), ["B", "d"]);
        let mut read = Objects::default();
        for (position, object) in [(0, scope(1, 1, "a")), (1, scope(2, 1, "b")), (2, scope(3, 1, "!"))] {
            read.put(position, &object);
        }
        read.share_with(&before);
        let (gone, new) = read.difference(&before);
        assert_eq!((gone.len(), names(new.into_iter().map(AsRef::as_ref))), (1, vec!["!"]));
        read.put(0, &scope(3, 1, "c"));
        read.share_with(&before);
        assert!(read.is_same(&before));
    }
}
