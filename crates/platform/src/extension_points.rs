//! The extension points of an org: those that the platform has, and those that the org declares, compiled.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tenterhook_contract::{
    Description, HookKind, HookTypeName, HookTypes,
    binding::HookBinding,
    declared::{Declaration, DeclarationProblem, DeclaredPoint},
    id::ExtensionPointId,
    party::Target,
};
use tenterhook_model::{ExtensionPoint, Objects};
use tenterhook_store::StoreError;

use crate::{OrgSnapshot, events::extension_point_target};

/// An extension point of an org.
#[derive(Clone, Copy)]
pub enum PointOf<'a> {
    /// One that the org declares.
    Declared {
        /// What is stored.
        record: &'a ExtensionPoint,
        /// The same, ready for use.
        point: &'a Arc<DeclaredPoint>,
    },
    /// One that the platform has.
    BuiltIn {
        /// Its type.
        kind: &'a Arc<dyn HookKind>,
        /// What the org has put there; nothing without one.
        record: Option<&'a ExtensionPoint>,
    },
}

impl<'a> PointOf<'a> {
    /// Its type.
    pub fn kind(self) -> &'a dyn HookKind {
        match self {
            Self::Declared { point, .. } => &**point,
            Self::BuiltIn { kind, .. } => &**kind,
        }
    }

    /// What its type is.
    pub fn description(self) -> &'a Description {
        self.kind().description()
    }

    /// What the org has stored of it.
    pub fn record(self) -> Option<&'a ExtensionPoint> {
        match self {
            Self::Declared { record, .. } => Some(record),
            Self::BuiltIn { record, .. } => record,
        }
    }

    /// The target of events about it.
    pub fn target(self) -> Target {
        let declared = match self {
            Self::Declared { record, .. } => Some(&record.id),
            Self::BuiltIn { .. } => None,
        };
        let description = self.description();
        extension_point_target(declared, &description.event_type, &description.title)
    }

    /// The hooks that are put there, in the order in which they are called.
    pub fn bindings(self) -> &'a [HookBinding] {
        self.record().map(|record| record.bindings.as_slice()).unwrap_or_default()
    }
}

/// What is made of the extension points of an org.
pub(crate) struct Points {
    /// The types that its hooks may have.
    pub(crate) types: Arc<HookTypes>,
    by_name: HashMap<HookTypeName, Known>,
    /// One that a change has compiled to judge it, for the snapshot after the change.
    offered: Mutex<Option<Arc<DeclaredPoint>>>,
}

struct Known {
    id: ExtensionPointId,
    /// `None` of one that the platform has.
    point: Option<Arc<DeclaredPoint>>,
}

impl Points {
    /// Compiles the declarations; those that `previous` has too are taken from there.
    ///
    /// # Errors
    /// When a declaration cannot be compiled, because this release accepts less than the one that stored it, or when its type is
    /// there already. The org is out of service then, like one with an object that cannot be read: a point that was left out
    /// would let flows go on without their hooks.
    pub(crate) fn prepare(
        records: &Objects<ExtensionPoint>,
        platform: &Arc<HookTypes>,
        previous: Option<&Self>,
    ) -> Result<Self, StoreError> {
        let mut types = Arc::clone(platform);
        let mut by_name = HashMap::with_capacity(records.len());
        for record in records {
            let point = match &record.declaration {
                None => None,
                Some(declaration) => {
                    let known = previous.and_then(|previous| previous.compiled(&record.name, declaration));
                    let point = match known {
                        Some(known) => known,
                        None => Arc::new(
                            DeclaredPoint::compile(declaration.clone())
                                .map_err(|problems| unusable(record, &problems))?,
                        ),
                    };
                    let kind: Arc<dyn HookKind> = Arc::clone(&point) as _;
                    types = Arc::new(types.with(kind).map_err(|taken| unreadable(record, &taken.to_string()))?);
                    Some(point)
                }
            };
            by_name.insert(record.name.clone(), Known { id: record.id.clone(), point });
        }
        Ok(Self { types, by_name, offered: Mutex::default() })
    }

    /// What was compiled of this declaration: for this snapshot, or to judge a change of it.
    fn compiled(&self, name: &HookTypeName, declaration: &Declaration) -> Option<Arc<DeclaredPoint>> {
        let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = self.by_name.get(name).and_then(|known| known.point.clone());
        offered.into_iter().chain(known).find(|point| point.declaration() == declaration)
    }
}

fn unusable(record: &ExtensionPoint, problems: &[DeclarationProblem]) -> StoreError {
    let first = problems.first().map(|problem| format!("{}: {}", problem.pointer, problem.message));
    unreadable(record, &first.unwrap_or_default())
}

fn unreadable(record: &ExtensionPoint, why: &str) -> StoreError {
    let why = format!("the extension point {} ({}): {why}", record.id, record.name);
    StoreError::Unreadable { what: "extension point", why }
}

impl OrgSnapshot {
    /// Hands a point that was compiled to judge a change of this snapshot on to the next one, which then need not compile it
    /// again. Schemas may take a while, and changes of an org queue.
    pub fn offer_compiled(&self, point: Arc<DeclaredPoint>) {
        *self.points.offered.lock().unwrap_or_else(PoisonError::into_inner) = Some(point);
    }

    /// The extension point with this type or this id.
    pub fn extension_point(&self, name_or_id: &str) -> Option<PointOf<'_>> {
        let record = self.configuration.extension_points.find(name_or_id);
        let name = record.map_or(name_or_id, |record| record.name.as_str());
        match self.points.by_name.get(name) {
            Some(known) => self.known_point(known),
            None => self.hook_types.kind(name).map(|kind| PointOf::BuiltIn { kind, record: None }),
        }
    }

    /// Every extension point: those of the platform, then the org's own in the order of their creation.
    pub fn extension_points(&self) -> impl Iterator<Item = PointOf<'_>> {
        self.hook_types.iter().filter_map(|kind| self.extension_point(&kind.description().event_type))
    }

    fn known_point<'a>(&'a self, known: &'a Known) -> Option<PointOf<'a>> {
        let record = self.configuration.extension_points.get(&known.id)?;
        if let Some(point) = &known.point {
            return Some(PointOf::Declared { record, point });
        }
        let kind = self.hook_types.kind(&record.name)?;
        Some(PointOf::BuiltIn { kind, record: Some(record) })
    }
}
