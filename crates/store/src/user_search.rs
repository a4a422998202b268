//! Searches of users: pages by id, found by the indexes of what a condition is about.
//!
//! A condition of one attribute is *common* when more than [`Bounds::ids`] users meet it. What is not common is answered from its
//! index: its ids are collected and sorted. Everything else is checked on rows, in the order of their ids, and a page looks at
//! a bounded number of them: it may have fewer users than asked for, and says where the next page begins. So a page takes as
//! long with a million users as with a hundred thousand, whatever it asks for. Start reading at [`search`].

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Select,
    sea_query::{CaseStatement, Expr, ExprTrait, Func, Order, Query, SelectStatement, SimpleExpr, UnionType},
};
use tenterhook_contract::id::{OrgId, UserId};
use tenterhook_model::{SearchText, SearchedAttribute, TimeMatch, User, UserCondition, UserPage, UserQuery, UserTime};

use crate::{
    StoreError,
    entity::user,
    pool::Pool,
    users::{end_of, readable_page},
};

/// The bounds of a search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most ids that one key of a condition may collect for a page.
    pub(crate) ids: u64,
    /// How many rows a page looks at in the order of ids: first so many, then so many more. Most pages are full after the first
    /// step, which costs little.
    pub(crate) steps: &'static [u64],
}

/// To collect and sort this many ids costs about as much as to look at as many rows.
pub(crate) const BOUNDS: Bounds = Bounds { ids: 20_000, steps: &[1_000, 10_000, 40_000] };

/// The page that a query asks for.
pub(crate) async fn search(
    reader: &Pool,
    org: &OrgId,
    query: &UserQuery,
    bounds: Bounds,
) -> Result<UserPage, StoreError> {
    let leaves = query.condition.as_ref().map(leaves).unwrap_or_default();
    let are_common = are_common(reader, org, &leaves, bounds.ids).await?;
    let part = query.condition.as_ref().map(|condition| Part::of(condition, &mut are_common.into_iter()));
    // One more than the page has tells whether there is another.
    let asked = query.limit.saturating_add(1);
    if let Some(part) = part.as_ref().filter(|part| part.is_found()) {
        // Few users are found, by the indexes of keys, and then sorted.
        let next = |after: Option<&UserId>, limit| found_page(org, part, after, limit);
        let users = readable_page(reader, org, (query.after.clone(), asked), next).await?;
        return Ok(cut(users, query.limit, None));
    }
    let transaction = reader.begin_ordered().await?;
    let walked = walk(&transaction, org, query, part.as_ref(), bounds.steps).await;
    transaction.end(walked).await
}

/// Looks at rows in the order of their ids, until the page is full or has looked at its share.
async fn walk(
    reader: &impl ConnectionTrait,
    org: &OrgId,
    query: &UserQuery,
    part: Option<&Part<'_>>,
    steps: &[u64],
) -> Result<UserPage, StoreError> {
    let asked = query.limit.saturating_add(1);
    let (mut users, mut after) = (Vec::new(), query.after.clone());
    let next = |until: Option<UserId>| {
        move |after: Option<&UserId>, limit: usize| walked_page(org, part, (after, until.as_ref()), limit)
    };
    if part.is_none() {
        // Every row that is looked at belongs to the page.
        let users = readable_page(reader, org, (after, asked), next(None)).await?;
        return Ok(cut(users, query.limit, None));
    }
    for rows in steps {
        let last = reader.query_one(&last_of_step(org, after.as_ref(), *rows)).await?;
        let until = match last {
            Some(row) => Some(parse(&row.try_get_by_index::<String>(0)?)?),
            None => None,
        };
        let rest = asked.saturating_sub(users.len());
        users.extend(readable_page(reader, org, (after, rest), next(until.clone())).await?);
        if users.len() >= asked || until.is_none() {
            return Ok(cut(users, query.limit, None));
        }
        after = until;
    }
    Ok(cut(users, query.limit, after))
}

/// At most `limit` of the users. The next page follows the last of them where there are more, or else `next`.
fn cut(mut users: Vec<User>, limit: usize, next: Option<UserId>) -> UserPage {
    let has_more = users.len() > limit;
    users.truncate(limit);
    let next = if has_more { users.last().map(|user| user.id.clone()) } else { next };
    UserPage { users, next }
}

fn parse(id: &str) -> Result<UserId, StoreError> {
    id.parse().map_err(|_| StoreError::Unreadable { what: "user", why: "the id is none".to_owned() })
}

/// A condition whose leaves are known to be common or not.
pub(crate) enum Part<'a> {
    All(Vec<Part<'a>>),
    Any(Vec<Part<'a>>),
    One { condition: &'a UserCondition, is_common: bool },
}

impl<'a> Part<'a> {
    /// The condition, with one of `are_common` for each of its [`leaves`].
    pub(crate) fn of(condition: &'a UserCondition, are_common: &mut impl Iterator<Item = bool>) -> Self {
        let mut each = |conditions: &'a [UserCondition]| -> Vec<Self> {
            conditions.iter().map(|condition| Self::of(condition, are_common)).collect()
        };
        match condition {
            UserCondition::All(conditions) => Self::All(each(conditions)),
            UserCondition::Any(conditions) => Self::Any(each(conditions)),
            // Without an answer it is checked on rows, which is right for every condition.
            condition => Self::One { condition, is_common: are_common.next().unwrap_or(true) },
        }
    }

    /// Whether indexes find all users for whom it holds.
    pub(crate) fn is_found(&self) -> bool {
        match self {
            Self::All(parts) => parts.iter().any(Self::is_found),
            Self::Any(parts) => parts.iter().all(Self::is_found),
            Self::One { is_common, .. } => !is_common,
        }
    }

    /// The ids of the users for whom it holds and of whose rows `also` holds; `None` when indexes do not find them.
    fn ids(&self, org: &OrgId, also: Option<&SimpleExpr>) -> Option<SelectStatement> {
        match self {
            Self::All(parts) => {
                let first = parts.iter().position(Self::is_found)?;
                let (before, rest) = parts.split_at(first);
                let (found, behind) = rest.split_first()?;
                let others = before.iter().chain(behind).map(Self::rows).chain(also.cloned());
                found.ids(org, others.reduce(ExprTrait::and).as_ref())
            }
            Self::Any(parts) => {
                let ids = parts.iter().map(|part| part.ids(org, also)).collect::<Option<Vec<_>>>()?;
                Some(union(ids).unwrap_or_else(|| ids_of(org, nobody())))
            }
            Self::One { is_common: true, .. } => None,
            Self::One { condition, .. } => {
                let keys = on_keys(condition, &Expr::col).into_iter();
                union(keys.map(|key| ids_of(org, also.cloned().into_iter().fold(key, ExprTrait::and))))
            }
        }
    }

    /// What must hold of a row, in a form that no index serves: so the rows come in the order of their ids.
    fn rows(&self) -> SimpleExpr {
        let joined =
            |parts: &[Self], join: fn(SimpleExpr, SimpleExpr) -> SimpleExpr| parts.iter().map(Self::rows).reduce(join);
        match self {
            Self::All(parts) => joined(parts, ExprTrait::and).unwrap_or_else(|| nobody().not()),
            Self::Any(parts) => joined(parts, ExprTrait::or).unwrap_or_else(nobody),
            Self::One { condition, .. } => {
                on_keys(condition, &by_no_index).into_iter().reduce(ExprTrait::or).unwrap_or_else(nobody)
            }
        }
    }

    /// The parts that hold together.
    fn together(&self) -> &[Self] {
        if let Self::All(parts) = self { parts } else { std::slice::from_ref(self) }
    }
}

/// The conditions of attributes, in their order.
pub(crate) fn leaves(condition: &UserCondition) -> Vec<&UserCondition> {
    match condition {
        UserCondition::All(conditions) | UserCondition::Any(conditions) => conditions.iter().flat_map(leaves).collect(),
        condition => vec![condition],
    }
}

/// A page of users whom indexes find.
pub(crate) fn found_page(org: &OrgId, part: &Part<'_>, after: Option<&UserId>, limit: usize) -> Select<user::Entity> {
    let mut select = user::Entity::find().filter(user::Column::OrgId.eq(org.as_str()));
    for part in part.together() {
        // What is found is not checked again: to a database without statistics a check looks as if it left fewer rows than the index.
        select = select.filter(match part.ids(org, None) {
            Some(ids) => Expr::col(user::Column::Id).in_subquery(ids),
            None => part.rows(),
        });
    }
    page(select, (after, None), limit)
}

/// A page of users whose rows are looked at in their order, up to `until`.
pub(crate) fn walked_page(
    org: &OrgId,
    part: Option<&Part<'_>>,
    (after, until): (Option<&UserId>, Option<&UserId>),
    limit: usize,
) -> Select<user::Entity> {
    let mut select = user::Entity::find().filter(user::Column::OrgId.eq(org.as_str()));
    if let Some(part) = part {
        select = select.filter(part.rows());
    }
    page(select, (after, until), limit)
}

fn page(
    mut select: Select<user::Entity>,
    (after, until): (Option<&UserId>, Option<&UserId>),
    limit: usize,
) -> Select<user::Entity> {
    if let Some(after) = after {
        select = select.filter(user::Column::Id.gt(after.as_str()));
    }
    if let Some(until) = until {
        select = select.filter(user::Column::Id.lte(until.as_str()));
    }
    select.order_by_asc(user::Column::Id).limit(u64::try_from(limit).unwrap_or(u64::MAX))
}

/// The id of the last row of a step with so many rows; nothing when fewer are left.
pub(crate) fn last_of_step(org: &OrgId, after: Option<&UserId>, rows: u64) -> SelectStatement {
    let mut last = Query::select();
    last.column(user::Column::Id).from(user::Entity).and_where(user::Column::OrgId.eq(org.as_str()));
    if let Some(after) = after {
        last.and_where(Expr::col(user::Column::Id).gt(after.as_str()));
    }
    last.order_by(user::Column::Id, Order::Asc).limit(1).offset(rows.saturating_sub(1));
    last
}

/// Whether each condition finds so many users by one key that their ids are not collected for a page. All are asked for at once.
pub(crate) async fn are_common(
    reader: &impl ConnectionTrait,
    org: &OrgId,
    conditions: &[&UserCondition],
    ids: u64,
) -> Result<Vec<bool>, DbErr> {
    let mut asked = Query::select();
    for condition in conditions {
        let has_more = |key| Expr::exists(ids_of(org, key).limit(1).offset(ids).take());
        let keys = match condition {
            // A login and an id have one user.
            UserCondition::Is(SearchedAttribute::Login, _) | UserCondition::Id(_) => Vec::new(),
            condition => on_keys(condition, &Expr::col),
        };
        let is_common = keys.into_iter().map(has_more).reduce(SimpleExpr::or).unwrap_or_else(nobody);
        // Numbers, because the databases have different truth values.
        asked.expr(CaseStatement::new().case(is_common, 1).finally(0));
    }
    if conditions.is_empty() {
        return Ok(Vec::new());
    }
    let Some(row) = reader.query_one(&asked).await? else { return Ok(vec![false; conditions.len()]) };
    (0..conditions.len()).map(|index| Ok(row.try_get_by_index::<i32>(index)? == 1)).collect()
}

/// The conditions on keys of which one holds. `key` is the form in which a key is compared.
fn on_keys(condition: &UserCondition, key: &impl Fn(user::Column) -> Expr) -> Vec<SimpleExpr> {
    use SearchedAttribute::{Email, FirstName, LastName, Login};
    let key_of = |attribute: SearchedAttribute| key(column(attribute));
    match condition {
        // They have no keys of their own.
        UserCondition::All(_) | UserCondition::Any(_) => Vec::new(),
        UserCondition::AnyBegins(text) => {
            [Login, Email, FirstName, LastName].map(|attribute| beginning(&key_of(attribute), text)).into()
        }
        UserCondition::Begins(attribute, text) => vec![beginning(&key_of(*attribute), text)],
        UserCondition::Is(attribute, text) => vec![key_of(*attribute).eq(text.as_str())],
        UserCondition::Has(attribute) => vec![key_of(*attribute).gt("")],
        UserCondition::Id(id) => vec![Expr::col(user::Column::Id).eq(id.as_str())],
        UserCondition::Status(status) => vec![key(user::Column::Status).eq(status.as_str())],
        UserCondition::Time(time, how, moment) => {
            let (time, moment) = (key(time_column(*time)), moment.as_micros());
            vec![match how {
                TimeMatch::Is => time.eq(moment),
                TimeMatch::After => time.gt(moment),
                TimeMatch::From => time.gte(moment),
                TimeMatch::Before => time.lt(moment),
                TimeMatch::Until => time.lte(moment),
            }]
        }
        UserCondition::HasTime(time) => vec![key(time_column(*time)).gte(i64::MIN)],
    }
}

/// A key in a form that no index serves. Nothing is less or more than what a row does not have.
fn by_no_index(column: user::Column) -> Expr {
    match column {
        user::Column::CreatedUs
        | user::Column::ActivatedUs
        | user::Column::StatusChangedUs
        | user::Column::LastUpdatedUs => Expr::expr(Expr::col(column).add(0_i64)),
        column => Expr::expr(Func::coalesce([Expr::col(column), Expr::value("")])),
    }
}

/// A condition that holds of nobody, in a form that both databases have.
fn nobody() -> SimpleExpr {
    Expr::val(1).eq(0)
}

fn union(ids: impl IntoIterator<Item = SelectStatement>) -> Option<SelectStatement> {
    let mut ids = ids.into_iter();
    let mut all = ids.next()?;
    for others in ids {
        all.union(UnionType::Distinct, others);
    }
    Some(all)
}

/// The ids of an org's users of whom `condition` on one key holds: a range of the key's index. Without this form the database might
/// scan all users in the order of their ids.
fn ids_of(org: &OrgId, condition: SimpleExpr) -> SelectStatement {
    let mut ids = Query::select();
    ids.column(user::Column::Id)
        .from(user::Entity)
        .and_where(user::Column::OrgId.eq(org.as_str()))
        .and_where(condition);
    ids
}

/// The condition that a key begins with the text.
fn beginning(key: &Expr, text: &SearchText) -> SimpleExpr {
    let begins = key.clone().gte(text.as_str());
    match end_of(text.as_str()) {
        Some(end) => begins.and(key.clone().lt(end)),
        None => begins,
    }
}

fn column(attribute: SearchedAttribute) -> user::Column {
    match attribute {
        SearchedAttribute::Login => user::Column::LoginKey,
        SearchedAttribute::Email => user::Column::EmailKey,
        SearchedAttribute::FirstName => user::Column::FirstNameKey,
        SearchedAttribute::LastName => user::Column::LastNameKey,
        SearchedAttribute::ExternalId => user::Column::ExternalIdKey,
    }
}

fn time_column(time: UserTime) -> user::Column {
    match time {
        UserTime::Created => user::Column::CreatedUs,
        UserTime::Activated => user::Column::ActivatedUs,
        UserTime::StatusChanged => user::Column::StatusChangedUs,
        UserTime::LastUpdated => user::Column::LastUpdatedUs,
    }
}
