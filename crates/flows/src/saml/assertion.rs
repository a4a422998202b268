//! The assertion before its hooks: what the app, the user, the user's groups and the session make of it (`saml.md` section 2).

use std::{collections::HashMap, time::Duration};

use serde_json::Value;
use tenterhook_contract::saml::{
    SamlContext, SamlIssuer, SamlProtocol,
    assertion::{
        Assertion, Attribute, AttributeStatements, AttributeValue, AttributeXml, Authentication, AuthnContext,
        Conditions, Confirmation, ConfirmationData, Lifetime, Subject, TYPE_STRING, ValueXml, is_xml_text,
    },
    size::{AssertionSize, AssertionTooLarge},
};
use tenterhook_model::{
    AppInput, Assigned, AttributeSource, AttributeStatement, AuthenticationMethod, GROUP_NAMES_MAX, Group, Inputs, Org,
    SamlApp, Session, Template, TooManyGroups, User, user_name_at,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    context::{session_context, user_context},
    saml_apps::entity_id,
};
use tenterhook_store::StoreError;
use tokio::time::Instant;

/// The one method of subject confirmation of browsers (SAML profiles 3.3).
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// How long building an assertion may hold its thread; then other tasks have their turn. About as long as a signature.
const TURN: Duration = Duration::from_micros(500);

/// What an assertion is made of.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The org.
    pub org: &'a Org,
    /// The app.
    pub app: &'a SamlApp,
    /// The user.
    pub user: &'a User,
    /// How the user has signed in.
    pub methods: &'a [AuthenticationMethod],
    /// How the app is assigned to the user, if it is.
    pub assigned: Option<&'a Assigned>,
    /// `Recipient`: the assertion consumer service.
    pub recipient: &'a str,
    /// `SessionIndex`.
    pub session_index: &'a str,
    /// `AuthnContextClassRef`.
    pub class_ref: &'a str,
}

/// Why there is no assertion. The texts name what an administrator can change, and never a value.
#[derive(Debug, thiserror::Error)]
pub enum AssertionProblem {
    /// The template of the name identifier has no value for the user.
    #[error("the name identifier's template has no value for this user")]
    NoNameId,
    /// A text has a character that XML cannot hold.
    #[error("{what} has a character that XML 1.0 does not allow")]
    NotXml {
        /// The name identifier, or the attribute with its name.
        what: String,
    },
    /// More groups of the user than an attribute may have pass a filter.
    #[error("more than {GROUP_NAMES_MAX} groups of the user pass the filter of the attribute `{name}`")]
    TooManyGroups {
        /// The attribute's name.
        name: String,
    },
    /// It exceeds a bound of assertions.
    #[error("the assertion would have {0}")]
    TooLarge(AssertionTooLarge),
    /// The groups could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The assertion of an app for a user. The user's groups are read only if the app's statements look at them.
///
/// # Errors
/// [`AssertionProblem`].
pub async fn build(platform: &Platform, source: &Source<'_>) -> Result<Assertion, AssertionProblem> {
    let groups = if names_groups(source.app) {
        platform.store().groups_of_user(&source.org.id, &source.user.id).await?
    } else {
        Vec::new()
    };
    assertion(source, &groups).await
}

/// `data.context` of a SAML hook. `mfa_active` says whether the user has an active factor.
pub fn context(
    org: &OrgSnapshot,
    app: &SamlApp,
    caller: &Caller,
    (session, user, mfa_active): (&Session, &User, bool),
) -> SamlContext {
    SamlContext {
        request: caller.request_context(),
        protocol: SamlProtocol {
            kind: "SAML2.0",
            issuer: SamlIssuer { id: app.id.to_string(), name: app.label.clone(), uri: entity_id(org, app) },
        },
        session: session_context(org, session, user, mfa_active),
        user: user_context(org, user),
    }
}

/// An attribute with one text as its value.
pub fn text_attribute(text: impl Into<String>) -> Attribute {
    Attribute { attributes: AttributeXml::default(), values: vec![value(TYPE_STRING, text.into())] }
}

/// Whether the statements or the name identifier look at groups.
fn names_groups(app: &SamlApp) -> bool {
    let of_statement = |statement: &AttributeStatement| match &statement.source {
        AttributeSource::Expression { values } => values.iter().any(Template::names_groups),
        AttributeSource::Group(_) => true,
    };
    app.subject_name_id_template.names_groups() || app.attribute_statements.iter().any(of_statement)
}

/// The assertion of an app for a user, whose groups are these. It stops at the first value beyond the bounds of assertions.
async fn assertion(source: &Source<'_>, groups: &[Group]) -> Result<Assertion, AssertionProblem> {
    let Source { org, app, user, methods, assigned, .. } = *source;
    let input = AppInput::Saml(app);
    let (profile, user_name) = (assigned.map(Assigned::profile), user_name_at(input, user, assigned));
    let inputs = Inputs {
        user: Some(user),
        app: Some(input),
        app_user: profile.as_deref(),
        user_name: Some(&user_name),
        groups: Some(groups),
        org: Some(org),
        amr: Some(methods),
    };
    // As at the vendor the format says what the template's value is, and makes no other value.
    let name_id = app.subject_name_id_template.text(&inputs).ok_or(AssertionProblem::NoNameId)?;
    let mut assertion = Assertion {
        subject: Subject {
            name_id: xml_text(name_id, || "the name identifier".to_owned())?,
            name_format: app.subject_name_id_format.uri().to_owned(),
            confirmation: Confirmation {
                method: BEARER.to_owned(),
                data: ConfirmationData { recipient: source.recipient.to_owned() },
            },
        },
        authentication: Authentication {
            session_index: source.session_index.to_owned(),
            authn_context: AuthnContext { authn_context_class_ref: source.class_ref.to_owned() },
            session_lifetime: None,
        },
        conditions: Conditions { audience_restriction: vec![app.audience.clone()] },
        claims: AttributeStatements::default(),
        lifetime: Lifetime { expiration: app.assertion_lifetime_seconds },
    };
    let mut building = Building::of(&assertion, inputs, groups);
    for statement in &app.attribute_statements {
        let attribute = building.attribute(statement).await?;
        assertion.claims.insert(statement.name.clone(), attribute);
    }
    Ok(assertion)
}

/// The attributes of an assertion while they are built.
struct Building<'a> {
    inputs: Inputs<'a>,
    groups: &'a [Group],
    /// With the attributes so far.
    size: AssertionSize,
    /// What expressions about groups have given, by their text: apps ask for the same groups in several attributes, and each time
    /// all groups of the user are compared.
    of_groups: HashMap<&'a str, Vec<AttributeValue>>,
    /// When other tasks had the thread last.
    turn_began: Instant,
}

impl<'a> Building<'a> {
    fn of(assertion: &Assertion, inputs: Inputs<'a>, groups: &'a [Group]) -> Self {
        let size = AssertionSize::of(assertion);
        Self { inputs, groups, size, of_groups: HashMap::new(), turn_began: Instant::now() }
    }

    /// The attribute of a statement. It is there without a value where its expressions are null, or no group passes its filter.
    async fn attribute(&mut self, statement: &'a AttributeStatement) -> Result<Attribute, AssertionProblem> {
        let attributes = AttributeXml { name_format: statement.name_format.clone() };
        let mut attribute = Attribute { attributes, values: Vec::new() };
        let name = statement.name.as_str();
        match &statement.source {
            AttributeSource::Expression { values: expressions } => {
                for expression in expressions {
                    self.let_others_run().await;
                    let values = self.values(expression);
                    add(values, name, &mut attribute)?;
                    self.with(name, &attribute).check().map_err(AssertionProblem::TooLarge)?;
                }
            }
            AttributeSource::Group(filter) => {
                self.let_others_run().await;
                let too_many = |TooManyGroups| AssertionProblem::TooManyGroups { name: name.to_owned() };
                let names = filter.names(self.groups).map_err(too_many)?;
                let values = names.into_iter().map(|name| value(TYPE_STRING, name.to_owned())).collect();
                add(values, name, &mut attribute)?;
            }
        }
        self.size = self.with(name, &attribute);
        self.size.check().map_err(AssertionProblem::TooLarge)?;
        Ok(attribute)
    }

    /// The size with one more attribute.
    fn with(&self, name: &str, attribute: &Attribute) -> AssertionSize {
        let mut size = self.size;
        size.add(name, attribute);
        size
    }

    /// The values of an expression.
    fn values(&mut self, expression: &'a Template) -> Vec<AttributeValue> {
        if let Some(values) = self.of_groups.get(expression.as_str()) {
            return values.clone();
        }
        let mut values = Vec::new();
        if let Some(found) = expression.evaluate(&self.inputs) {
            add_values(found, &mut values);
        }
        if expression.names_groups() {
            self.of_groups.insert(expression.as_str(), values.clone());
        }
        values
    }

    /// Gives the thread to other tasks when this one has had it for a turn.
    async fn let_others_run(&mut self) {
        if self.turn_began.elapsed() >= TURN {
            tokio::task::yield_now().await;
            self.turn_began = Instant::now();
        }
    }
}

/// Adds values to the attribute of this name.
fn add(values: Vec<AttributeValue>, name: &str, attribute: &mut Attribute) -> Result<(), AssertionProblem> {
    for AttributeValue { attributes, value } in values {
        let value = xml_text(value, || format!("the attribute `{name}`"))?;
        attribute.values.push(AttributeValue { attributes, value });
    }
    Ok(())
}

/// Adds a value with its type of XML Schema; of an array each element, and nothing for null.
fn add_values(found: Value, values: &mut Vec<AttributeValue>) {
    match found {
        Value::Null | Value::Object(_) => {}
        Value::String(text) => values.push(value(TYPE_STRING, text)),
        Value::Bool(flag) => values.push(value("xs:boolean", flag.to_string())),
        Value::Number(number) => {
            let kind = if number.is_f64() { "xs:double" } else { "xs:integer" };
            values.push(value(kind, number.to_string()));
        }
        Value::Array(items) => items.into_iter().for_each(|item| add_values(item, values)),
    }
}

fn value(kind: &str, value: String) -> AttributeValue {
    AttributeValue { attributes: ValueXml { kind: kind.to_owned() }, value }
}

fn xml_text(text: String, what: impl FnOnce() -> String) -> Result<String, AssertionProblem> {
    if is_xml_text(&text) { Ok(text) } else { Err(AssertionProblem::NotXml { what: what() }) }
}

#[cfg(test)]
mod tests;
