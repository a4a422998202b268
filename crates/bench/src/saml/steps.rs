//! Steps of a sign-on, each measured alone with the same assertion.

use std::{rc::Rc, sync::Arc, time::Duration};

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use clap::{Args, ValueEnum};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint as _, Timestamp,
    envelope::Envelope,
    hook::InlineHook,
    id::{AppId, EventId, RequestId},
    saml::{Saml, SamlContext, assertion::Assertion},
};
use tenterhook_engine::{Engine, Invocation, Outcome, ReadyHook};
use tenterhook_flows::saml::assertion::{self, Source};
use tenterhook_model::{AppKey, Objects, SamlApp};
use tenterhook_platform::{
    Caller, Languages, OrgSnapshot,
    app_keys::AppKeys,
    saml_apps::{entity_id, sign_on_url},
};
use tenterhook_saml::write::{self, AssertionDraft, Response, Signed};

use super::{IN_FLIGHT, server::IdentityProvider};
use crate::{
    Error,
    callers::{self, BareClient, Extra, InMemory, Target, everywhere},
    host::keep_calling,
    token_part::alone,
};

/// Keys of the snapshot: an org of a thousand apps with one key each.
pub(super) const KEYS: usize = 1_000;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    /// The assertion, from the app, the user and the session.
    Building,
    /// The call of the hook by the engine: from the assertion to the patched one.
    Call,
    /// The call by a bare pooled client: the document is written and the answer read, nothing is checked or applied.
    Hand,
    /// The signed response: canonical XML, its digest, and one signature.
    Writing,
    /// That signature, with a key that was parsed before.
    Signing,
    /// Parsing a key at its first use.
    FirstUse,
    /// The keys of a new snapshot.
    Snapshot,
}

impl Step {
    /// Every one.
    pub(super) const ALL: [Self; 7] =
        [Self::Building, Self::Call, Self::Hand, Self::Writing, Self::Signing, Self::FirstUse, Self::Snapshot];

    /// Its name in figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Call => "call",
            Self::Hand => "hand",
            Self::Writing => "writing_and_signing",
            Self::Signing => "signing",
            Self::FirstUse => "first_use_of_a_key",
            Self::Snapshot => "snapshot_of_1000_keys",
        }
    }

    /// Its name in arguments.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::FirstUse => "first-use",
            Self::Writing => "writing",
            Self::Snapshot => "snapshot",
            other => other.name(),
        }
    }
}

/// Options of a step.
#[derive(Args)]
pub(crate) struct StepOptions {
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    step: Step,
    #[arg(long)]
    seconds: f64,
}

/// Measures one step, in this process.
pub(super) async fn run(options: &StepOptions) -> Result<(), Error> {
    let provider = Rc::new(IdentityProvider::start(&options.target, false).await?);
    let org = provider.org()?;
    let length = Duration::from_secs_f64(options.seconds);
    match options.step {
        Step::Building => {
            keep_calling(1, options.seconds, true, move || {
                let (provider, org) = (Rc::clone(&provider), Arc::clone(&org));
                async move { built(&provider, &org).await.map(drop) }
            })
            .await
        }
        Step::Call | Step::Hand => {
            let target = Target { path: "/saml".to_owned(), ..options.target.clone() };
            let given = Rc::new((context(&provider, &org)?, built(&provider, &org).await?));
            let source = sign_on_url(&org, IdentityProvider::app(&org)?);
            match options.step {
                Step::Call => call(options.seconds, &target, given, source).await,
                _ => hand(options.seconds, &target, given, source).await,
            }
        }
        Step::Writing => {
            let response = response(&org, built(&provider, &org).await?)?;
            let key = org.app_keys.signer(IdentityProvider::app(&org)?).ok_or("the app has a key")?;
            alone(length, &|| {
                response.to_signed_xml(key, Signed::Assertion, None)?;
                Ok(())
            })
        }
        Step::Signing => {
            let pem = &key_of(&org)?.private_key_pem;
            let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())?;
            let pair = KeyPair::from_pkcs8(der.secret_der())?;
            // As long as a `SignedInfo`.
            let message = [b'x'; 900];
            alone(length, &|| {
                let mut signature = vec![0; pair.public_modulus_len()];
                Ok(pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature)?)
            })
        }
        Step::FirstUse => {
            let (app, keys) = (IdentityProvider::app(&org)?, &org.configuration.app_keys);
            alone(length, &|| {
                let is_usable = AppKeys::prepare(keys, None).signer(app).is_some();
                is_usable.then_some(()).ok_or_else(|| "the app has a key".into())
            })
        }
        Step::Snapshot => {
            let key = key_of(&org)?;
            let numbered = |number: u64| AppKey {
                kid: format!("{}{number:04}", key.kid),
                app_id: AppId::from_parts(number, [7; 8]),
                ..key.clone()
            };
            let keys: Objects<AppKey> = (0..KEYS as u64).map(numbered).collect();
            alone(length, &|| {
                drop(AppKeys::prepare(&keys, None));
                Ok(())
            })
        }
    }
}

fn key_of(org: &OrgSnapshot) -> Result<&AppKey, Error> {
    Ok(org.configuration.app_keys.iter().next().ok_or("the app has a key")?)
}

async fn built(provider: &IdentityProvider, org: &OrgSnapshot) -> Result<Assertion, Error> {
    let app = IdentityProvider::app(org)?;
    let source = Source {
        org: &org.org,
        app,
        user: &provider.user,
        methods: provider.session.methods(),
        assigned: None,
        recipient: &app.recipient,
        session_index: "id0123456789abcdef0123456789abcdef",
        class_ref: &app.authn_context_class_ref,
    };
    Ok(assertion::build(&provider.world.platform, &source).await?)
}

fn context(provider: &IdentityProvider, org: &OrgSnapshot) -> Result<SamlContext, Error> {
    let app: &SamlApp = IdentityProvider::app(org)?;
    let caller = Caller {
        request_id: RequestId::from_entropy([5; 16]),
        at: Timestamp::from_micros(0),
        method: "GET".to_owned(),
        path: format!("/app/{}/{}/sso/saml", app.name, app.external_key),
        query: None,
        ip_address: "127.0.0.1".to_owned(),
        proxies: Vec::new(),
        user_agent: None,
        languages: Languages::default(),
        base_url: Arc::clone(&org.base_url),
    };
    Ok(assertion::context(org, app, &caller, (&provider.session, &provider.user, false)))
}

fn response(org: &OrgSnapshot, assertion: Assertion) -> Result<Response, Error> {
    let app = IdentityProvider::app(org)?;
    let (issuer, now) = (entity_id(org, app), Timestamp::from_micros(1_770_800_531_000_000));
    let id = |first: char| format!("_{first}0123456789abcdef0123456789abcde");
    Ok(Response {
        id: id('a'),
        in_response_to: None,
        destination: app.destination.clone(),
        issuer: issuer.clone(),
        issue_instant: now,
        outcome: write::Outcome::SignedOn(Box::new(AssertionDraft {
            id: id('b'),
            issuer,
            issue_instant: now,
            not_before: now.plus_seconds(-300),
            authn_instant: now,
            in_response_to: None,
            name_qualifier: None,
            sp_name_qualifier: None,
            assertion,
        })),
    })
}

type Given = Rc<(SamlContext, Assertion)>;

/// The engine with a recorder in memory: the records of the server are in the row of the database and the log.
async fn call(seconds: f64, target: &Target, given: Given, source: String) -> Result<(), Error> {
    let engine = Engine::builder().recorder(Arc::new(InMemory::default())).limits(everywhere(4_096)).build();
    let hook = callers::inline_hook(target, Extra::None, Duration::from_secs(3), Some(4_096))?;
    let hook = InlineHook { hook_type: BuiltInType::Saml.name().clone(), ..hook };
    let transport = callers::transport(target, false)?;
    let hook = ReadyHook::over(&transport, hook, BuiltInType::Saml.kind().clone());
    let (engine, origin, source) = (Rc::new((engine, hook)), callers::origin(), Rc::<str>::from(source));
    let invoked = move || {
        let (engine, origin, given, source) =
            (Rc::clone(&engine), Arc::clone(&origin), Rc::clone(&given), Rc::clone(&source));
        async move {
            let ((engine, hook), (context, assertion)) = (&*engine, &*given);
            let mut subject = assertion.clone();
            let invocation = Invocation {
                point: &Saml,
                hook,
                origin,
                source: &source,
                context,
                subject: &mut subject,
                deadline: None,
            };
            match engine.invoke(invocation).await.outcome {
                Outcome::Applied(_) => Ok(()),
                other => Err(format!("the call was not applied: {other:?}").into()),
            }
        }
    };
    keep_calling(IN_FLIGHT, seconds / 4.0, false, invoked.clone()).await?;
    keep_calling(IN_FLIGHT, seconds, true, invoked).await
}

async fn hand(seconds: f64, target: &Target, given: Given, source: String) -> Result<(), Error> {
    let client = Rc::new((BareClient::new(target, &target.path)?, source));
    let called = move || {
        let (client, given) = (Rc::clone(&client), Rc::clone(&given));
        async move {
            let ((client, source), (context, assertion)) = (&*client, &*given);
            let (event_id, at) = (EventId::from_entropy([1; 16]), Timestamp::from_micros(0));
            let data = Saml.data(context, assertion);
            let envelope = Envelope::new(&event_id, at, BuiltInType::Saml.description(), source, None, data);
            let answer = client.post(serde_json::to_vec(&envelope)?.into()).await?;
            let answer: serde_json::Value = serde_json::from_slice(&answer)?;
            let commands = answer.get("commands").and_then(serde_json::Value::as_array);
            if commands.is_some_and(|commands| commands.len() == 1) { Ok(()) } else { Err("no command".into()) }
        }
    };
    keep_calling(IN_FLIGHT, seconds / 4.0, false, called.clone()).await?;
    keep_calling(IN_FLIGHT, seconds, true, called).await
}
