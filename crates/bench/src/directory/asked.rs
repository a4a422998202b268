//! What `bench directory` does with users, in one node on one database.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tenterhook_contract::{
    Secret,
    id::{GroupId, RequestId, UserId},
};
use tenterhook_engine::Entropy as _;
use tenterhook_flows::{
    commitment::Commitment,
    sign_in::{Attempt, SignedIn, sign_in},
};
use tenterhook_management::provision::{DemonstrationSecrets, demonstration};
use tenterhook_model::{SearchText, SearchedAttribute, User, UserCondition, UserQuery, UserStatus};
use tenterhook_platform::{Caller, Languages, Platform, attempts::PasswordAttempts, entropy::SystemEntropy};
use tenterhook_server::{ServerLimits, TrustedProxies, router, serve};
use tenterhook_store::{DirectoryQuery, MARKERS, StoreConfig, copy_id};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::Instant};

use crate::{Error, scale::platform, statistics};

const ADMIN_TOKEN: &str = "bench-admin-token";
const PASSWORD: &str = "bench-Password-1";
/// Users of a page.
const PAGE: usize = 100;
/// Sign-ins are fewer: each is mostly the hash of a password.
const SIGN_IN_EVERY: u64 = 10;

/// The times of one thing.
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) median: f64,
    pub(super) p99: f64,
}

/// A node with a client of its API.
pub(super) struct Asked {
    pub(super) platform: Arc<Platform>,
    /// The user of whom the others are copies.
    pub(super) template: User,
    /// The group of which every tenth copy is a member.
    pub(super) group: GroupId,
    users: u64,
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    attempts: Arc<PasswordAttempts>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// What is asked of the HTTP API about the user with a number, among so many.
type Question = (&'static str, fn(&Asked, u64) -> Result<String, Error>);

/// What is asked by GET.
const QUESTIONS: [Question; 10] = [
    ("list_first_page", |_, _| Ok(format!("/users?limit={PAGE}"))),
    ("list_page_within", |_, number| Ok(format!("/users?limit={PAGE}&after={}", copy_id(number)?))),
    ("get_by_login", |_, number| Ok(format!("/users/{}", login(number)))),
    ("search_login", |_, number| Ok(searched(&format!("profile.login eq \"{}\"", login(number))))),
    ("search_email", |_, number| Ok(searched(&format!("profile.email eq \"{}\"", login(number))))),
    ("search_name_prefix_of_10", |_, number| Ok(searched(&format!("profile.lastName sw \"Last {:06}\"", number / 10)))),
    ("search_name_prefix_of_all", |_, _| Ok(searched("profile.firstName sw \"First\" and status eq \"ACTIVE\""))),
    ("q_login_prefix_of_10", |_, number| Ok(format!("/users?limit={PAGE}&q=user{:06}", number / 10))),
    ("group_page_within", |asked, number| {
        Ok(format!("/groups/{}/users?limit={PAGE}&after={}", asked.group, copy_id(number)?))
    }),
    ("groups_of_user", |_, number| Ok(format!("/users/{}/groups", copy_id(number / 10 * 10)?))),
];

fn login(number: u64) -> String {
    format!("user{number:07}@bench.example")
}

fn searched(condition: &str) -> String {
    let mut query = url_form(condition);
    query.insert_str(0, &format!("/users?limit={PAGE}&search="));
    query
}

/// A text in a query; it has nothing but what these replace.
fn url_form(text: &str) -> String {
    text.replace('%', "%25").replace(' ', "%20").replace('"', "%22").replace('@', "%40")
}

impl Asked {
    pub(super) async fn start(config: &StoreConfig, keys: &str, users: u64) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let platform = platform(config, keys, url.clone()).await?;
        let secrets = DemonstrationSecrets {
            admin_token: Secret::new(ADMIN_TOKEN),
            client_secret: Secret::new("bench-client-secret"),
            user_password: Secret::new("bench-password"),
        };
        demonstration(&platform, &secrets).await?;
        let limits = ServerLimits { api_requests_per_minute: u32::MAX, ..ServerLimits::default() };
        let (stop, stopping) = watch::channel(false);
        let routes = router(Arc::clone(&platform), limits, TrustedProxies::default(), stopping.clone());
        let serving = tokio::spawn(serve(listener, routes, limits, TrustedProxies::default(), stopping));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let attempts = Arc::default();
        let org = platform.org_by_host(None).ok_or("there is a default org")?.org.id.clone();
        let [number, tens, rest] = MARKERS;
        let login = format!("user{number}@bench.example");
        let profile = json!({
            "login": login, "email": login, "firstName": format!("First {rest}"), "lastName": format!("Last {tens}{number}"),
        });
        let body = json!({ "profile": profile, "credentials": { "password": { "value": PASSWORD } } });
        post(&client, &format!("{url}/api/v1/users"), &body).await?;
        let template = platform.store().find_user_by_login(&org, &login).await?.ok_or("the user was created")?;
        let group = post(&client, &format!("{url}/api/v1/groups"), &json!({ "profile": { "name": "Bench" } })).await?;
        let group = group.get("id").and_then(Value::as_str).ok_or("a group has an id")?.parse()?;
        Ok(Self { platform, template, group, users, url, client, attempts, stop, serving })
    }

    pub(super) async fn stop(self) {
        let _ = self.stop.send(true);
        drop(self.client);
        // It ends with its connections.
        let _ = self.serving.await;
        self.platform.log().close().await;
    }

    async fn create(&self, number: u64) -> Result<(), Error> {
        let login = format!("new-{number}@bench.example");
        let profile = json!({ "login": login, "email": login, "firstName": "New", "lastName": "Comer" });
        post(&self.client, &format!("{}/api/v1/users", self.url), &json!({ "profile": profile })).await.map(drop)
    }

    /// Asks for something that is there.
    async fn get(&self, path: &str) -> Result<(), Error> {
        let url = format!("{}/api/v1{path}", self.url);
        let answer = ask(&self.client, "GET", &url, None).await?;
        if answer.as_array().is_some_and(Vec::is_empty) {
            return Err(format!("nothing is found: {path}").into());
        }
        Ok(())
    }

    async fn sign_in(&self, number: u64) -> Result<(), Error> {
        let number = spread(number) % self.users;
        let org = self.platform.org_by_host(None).ok_or("there is a default org")?;
        let mut entropy = [0; 16];
        SystemEntropy.fill(&mut entropy);
        let caller = Caller {
            request_id: RequestId::from_entropy(entropy),
            at: self.platform.now(),
            method: "POST".to_owned(),
            path: "/sign-in".to_owned(),
            query: None,
            ip_address: "192.0.2.1".to_owned(),
            proxies: Vec::new(),
            user_agent: None,
            languages: Languages::default(),
            base_url: self.url.as_str().into(),
        };
        let (login, password) = (login(number), Secret::new(PASSWORD));
        let attempt =
            Attempt { attempts: &self.attempts, login: &login, password: &password, request: None, previous: None };
        match sign_in(&self.platform, &org, &caller, attempt, &Commitment::begun()).await? {
            SignedIn::Yes(_) => Ok(()),
            other => Err(format!("{login} cannot sign in: {other:?}").into()),
        }
    }

    /// The plans of the queries.
    pub(super) async fn plans(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let number = self.users / 2;
        let (login, within): (_, UserId) = (login(number), copy_id(number)?);
        let text = |text: &str| SearchText::new(text).ok_or("the text can be searched for");
        let query = |condition, after| UserQuery { condition, after, limit: PAGE };
        let email = UserCondition::Is(SearchedAttribute::Email, text(&login)?);
        let of_ten = UserCondition::Begins(SearchedAttribute::LastName, text(&format!("last {:06}", number / 10))?);
        let of_all = UserCondition::All(vec![
            UserCondition::Begins(SearchedAttribute::FirstName, text("first")?),
            UserCondition::Status(UserStatus::Active),
        ]);
        let any = UserCondition::AnyBegins(text(&format!("user{:06}", number / 10))?);
        let lists = [
            ("list_page_within", query(None, Some(within.clone()))),
            ("search_email", query(Some(email), None)),
            ("search_name_prefix_of_10", query(Some(of_ten), None)),
            ("search_name_prefix_of_all", query(Some(of_all), None)),
            ("q_login_prefix_of_10", query(Some(any), None)),
        ];
        let mut asked = vec![("get_by_login, sign_in", DirectoryQuery::Login(&login))];
        asked.extend(lists.iter().map(|(name, query)| (*name, DirectoryQuery::Users(query))));
        asked.push(("group_page_within", DirectoryQuery::Members(&self.group, Some(&within), PAGE)));
        asked.push(("groups_of_user", DirectoryQuery::GroupsOf(&within)));
        let mut plans = Vec::new();
        for (name, query) in asked {
            plans.push((name, self.platform.store().explain_directory(&self.template.org_id, query).await?));
        }
        Ok(plans)
    }
}

/// Does each thing `times` times at both nodes.
pub(super) async fn measure(both: [&Asked; 2], times: u64) -> Result<(Vec<Measured>, Vec<Measured>), Error> {
    let mut all = vec![timed("create", both, times, async |asked, number| asked.create(number).await).await?];
    for (name, path) in QUESTIONS {
        let get = async |asked: &Asked, number: u64| {
            // A page after one of the last ones would be shorter than others.
            let path = path(asked, spread(number) % (asked.users - 1_000))?;
            asked.get(&path).await
        };
        all.push(timed(name, both, times, get).await?);
    }
    let sign_ins = (times / SIGN_IN_EVERY).max(1);
    all.push(timed("sign_in", both, sign_ins, async |asked, number| asked.sign_in(number).await).await?);
    Ok(all.into_iter().unzip())
}

/// The milliseconds of each, at both nodes in turns; the first one, which warms up, does not count.
async fn timed(
    name: &'static str,
    both: [&Asked; 2],
    times: u64,
    each: impl AsyncFn(&Asked, u64) -> Result<(), Error>,
) -> Result<(Measured, Measured), Error> {
    let mut millis = [Vec::new(), Vec::new()];
    for number in 0..=times {
        for (asked, millis) in both.into_iter().zip(&mut millis) {
            let began = Instant::now();
            each(asked, number).await?;
            if number > 0 {
                millis.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let [few, many] = millis.map(|mut millis| {
        let (median, p99) = statistics::median_and_p99(&mut millis);
        Measured { name, median, p99 }
    });
    Ok((few, many))
}

/// A number that depends on `number` and looks like any other.
fn spread(number: u64) -> u64 {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

async fn post(client: &Client<HttpConnector, Full<Bytes>>, url: &str, body: &Value) -> Result<Value, Error> {
    ask(client, "POST", url, Some(body)).await
}

/// Asks as the administrator of the default org.
async fn ask(
    client: &Client<HttpConnector, Full<Bytes>>,
    method: &str,
    url: &str,
    body: Option<&Value>,
) -> Result<Value, Error> {
    let request = http::Request::builder().method(method).uri(url);
    let request =
        request.header("authorization", format!("SSWS {ADMIN_TOKEN}")).header("content-type", "application/json");
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let answer = client.request(request.body(Full::new(body))?).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        return Err(format!("{method} {url}: {status} {}", String::from_utf8_lossy(&bytes)).into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}
