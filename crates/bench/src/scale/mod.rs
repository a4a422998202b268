//! `bench scale`: what a node costs whose database has many orgs, and what a change of one of them costs.
//!
//! Every org has 20 hooks, 20 clients and 5 rules ([`seed`]). Each measurement has nodes of its own ([`node`]). There are
//! several nodes only on PostgreSQL: an embedded database has one.

mod node;
mod seed;

use std::{process::Command, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tenterhook_store::Keyring;
use tenterhook_testkit::postgres;
use tokio::{runtime::Runtime, time::Instant};

use crate::{
    Error,
    cpu::Figures,
    figure,
    scale::{
        node::Node,
        seed::{ADMIN_TOKEN, CLIENT_SECRET},
    },
    statistics,
};

pub(crate) use node::{NodeOptions, platform, run as serve};
pub(crate) use seed::{SeedOptions, run as fill};

/// Objects of the orgs that are changed.
const OBJECTS: [usize; 2] = [10, 5_000];
/// Nodes that must see a change, besides the one that makes it.
const FOLLOWERS: usize = 3;
/// Orgs that are asked for something, so that a node has them in memory.
const LOADED_MAX: usize = 1_000;
/// Scrapes of the metrics.
const SCRAPES: usize = 20;
/// How long a node is left alone before it is watched: what runs once after the start is over by then.
const SETTLE: Duration = Duration::from_secs(3);

/// Options of `bench scale`.
#[derive(Args)]
pub(crate) struct Options {
    /// Numbers of orgs.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000, 10_000])]
    orgs: Vec<usize>,
    /// Starts of a node; the medians are printed.
    #[arg(long, default_value_t = 3)]
    starts: usize,
    /// Seconds in which an idle node is watched, and in which tokens are asked for.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Changes of each kind.
    #[arg(long, default_value_t = 100)]
    changes: usize,
    /// Only this database: `sqlite` or `postgres`.
    #[arg(long)]
    only: Option<String>,
}

/// The measurements at one number of orgs.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    orgs: usize,
    start_s: f64,
    idle_cpu_percent: f64,
    /// Of the database, caused by one idle node; not known of an embedded one.
    idle_transactions: Option<f64>,
    resident_bytes: f64,
    /// KB that each org takes beyond the smallest number of orgs, when nothing was asked of any but the default org.
    cold_kb: Option<f64>,
    /// KB that each org takes in addition once something was asked of it.
    loaded_kb: Option<f64>,
    /// Until all other nodes had a change; the median and the 99th percentile.
    seen_ms: Option<(f64, f64)>,
    tokens_per_second: f64,
    metrics_ms: f64,
}

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = std::env::var(postgres::URL_VARIABLE).ok();
    if server.is_none() {
        println!("No PostgreSQL server: only SQLite (`cargo xtask postgres cargo xtask bench scale` starts one).");
    }
    for (name, server) in [("sqlite", None), ("postgres", server.as_deref())] {
        let is_there = name == "sqlite" || server.is_some();
        if !is_there || options.only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let bench = Bench { options, runtime: &runtime, name, server };
        bench.run()?;
    }
    Ok(())
}

/// The benchmark on one kind of database.
struct Bench<'a> {
    options: &'a Options,
    runtime: &'a Runtime,
    name: &'static str,
    server: Option<&'a str>,
}

/// A database with orgs in it.
struct Seeded {
    database: String,
    keys: String,
    default_org: String,
    client: String,
    _folder: tempfile::TempDir,
}

impl Bench<'_> {
    fn run(&self) -> Result<(), Error> {
        let Options { starts, seconds, changes, .. } = self.options;
        println!(
            "\n{}: orgs of 20 hooks, 20 clients and 5 rules; {starts} starts, {seconds} s idle, {changes} changes.\n",
            self.name
        );
        println!(
            "{:>8}{:>10}{:>9}{:>9}{:>12}{:>11}{:>12}{:>10}{:>10}{:>10}{:>12}",
            "orgs",
            "start s",
            "idle %",
            "trans/s",
            "resident MB",
            "KB/org",
            "KB loaded",
            "seen p50",
            "seen p99",
            "tokens/s",
            "/metrics ms"
        );
        let mut base = None;
        let mut counts = self.options.orgs.clone();
        counts.sort_unstable();
        let mut all = Vec::new();
        for orgs in counts {
            let measured = self.orgs(orgs, base)?;
            base.get_or_insert(measured);
            row(&measured);
            all.push(measured);
        }
        println!();
        let of_objects = self.objects()?;
        for measured in all {
            self.figures(&measured);
        }
        for (objects, median, p99) in of_objects {
            println!("A change in an org of {objects} objects takes {median:.2} ms, at p99 {p99:.2} ms.");
            figure(&format!("scale_{}_change_{objects}", self.name), median, "ms");
            figure(&format!("scale_{}_change_{objects}_p99", self.name), p99, "ms");
        }
        Ok(())
    }

    fn figures(&self, measured: &Measured) {
        let named = |name: &str| format!("scale_{}_{}_{name}", self.name, measured.orgs);
        figure(&named("start"), measured.start_s, "s");
        figure(&named("idle_cpu"), measured.idle_cpu_percent, "%");
        if let Some(transactions) = measured.idle_transactions {
            figure(&named("idle_transactions"), transactions, "/s");
        }
        figure(&named("resident"), measured.resident_bytes / 1e6, "MB");
        if let Some(cold) = measured.cold_kb {
            figure(&named("org_cold"), cold, "KB");
        }
        if let Some(loaded) = measured.loaded_kb {
            figure(&named("org_loaded"), loaded, "KB");
        }
        if let Some((median, p99)) = measured.seen_ms {
            figure(&named("seen_p50"), median, "ms");
            figure(&named("seen_p99"), p99, "ms");
        }
        figure(&named("tokens"), measured.tokens_per_second, "/s");
        figure(&named("metrics"), measured.metrics_ms, "ms");
    }

    /// A database of its own with orgs.
    fn seeded(&self, orgs: usize, objects: &[usize]) -> Result<Seeded, Error> {
        let folder = tempfile::tempdir()?;
        let database = match self.server {
            None => format!("sqlite://{}", folder.path().join("scale.sqlite").display()),
            Some(server) => {
                let name = format!("tenterhook_scale_{}_{orgs}_{}", std::process::id(), objects.len());
                self.runtime.block_on(postgres::create_database(server, &name))?
            }
        };
        let keys = Keyring::generate_text().expose().to_owned();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["scale-seed", "--database", &database, "--keys", &keys, "--orgs", &orgs.to_string()]);
        if !objects.is_empty() {
            let objects: Vec<_> = objects.iter().map(ToString::to_string).collect();
            command.args(["--objects", &objects.join(",")]);
        }
        let figures = Figures::of(command)?;
        let (default_org, client) = (figures.text("defaultOrg")?, figures.text("client")?);
        Ok(Seeded { database, keys, default_org, client, _folder: folder })
    }

    /// What so many orgs cost; `base` is what the smallest number of orgs costs.
    fn orgs(&self, orgs: usize, base: Option<Measured>) -> Result<Measured, Error> {
        let seeded = self.seeded(orgs, &[])?;
        let mut starts = Vec::new();
        for _ in 1..self.options.starts {
            let node = Node::start(&seeded.database, &seeded.keys)?;
            starts.push(node.start_seconds);
            node.process.stop()?;
        }
        let mut node = Node::start(&seeded.database, &seeded.keys)?;
        starts.push(node.start_seconds);
        let mut measured = Measured { orgs, start_s: statistics::median(starts), ..Measured::default() };
        std::thread::sleep(SETTLE);
        self.idle(&seeded, &mut node, &mut measured)?;

        let client = asking();
        let cold = memory(&mut node)?;
        measured.resident_bytes = cold.0;
        let per_org = |bytes: f64, orgs: f64| (orgs > 0.0).then(|| bytes / orgs / 1_024.0);
        measured.cold_kb = base.and_then(|base| per_org(cold.0 - base.resident_bytes, count(orgs) - count(base.orgs)));
        for number in 0..orgs.min(LOADED_MAX) {
            let url = format!("{}/oauth2/default/v1/keys", node.url);
            self.runtime.block_on(ask(&client, "GET", &url, seed::host(number).as_deref(), None))?;
        }
        let warm = memory(&mut node)?;
        measured.loaded_kb = per_org(warm.0 - cold.0, warm.1 - cold.1);
        measured.metrics_ms = statistics::median(timed(SCRAPES, |_| {
            self.runtime.block_on(ask(&client, "GET", &node.metrics_url, None, None)).map(drop)
        })?);
        if self.server.is_some() {
            measured.seen_ms = Some(self.seen(&seeded, &node, orgs)?);
        }
        measured.tokens_per_second = self.tokens(&seeded, &node, orgs)?;
        node.process.stop()?;
        Ok(measured)
    }

    /// The CPU time and the transactions of a node that gets no requests.
    fn idle(&self, seeded: &Seeded, node: &mut Node, measured: &mut Measured) -> Result<(), Error> {
        let transactions = || match self.server {
            None => Ok(None),
            Some(_) => self.runtime.block_on(postgres::transactions(&seeded.database)).map(Some),
        };
        let before = transactions()?;
        let began = Instant::now();
        node.process.answer("begin")?;
        std::thread::sleep(Duration::from_secs_f64(self.options.seconds));
        measured.idle_cpu_percent = node.process.answer("end")?.number("cpuShare")? * 100.0;
        let took = began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a count of transactions")]
        let each = before.zip(transactions()?).map(|(before, after)| after.saturating_sub(before) as f64 / took);
        measured.idle_transactions = each;
        Ok(())
    }

    /// Tokens a second of one org among many.
    fn tokens(&self, seeded: &Seeded, node: &Node, orgs: usize) -> Result<f64, Error> {
        let authorization = format!("Basic {}", STANDARD.encode(format!("{}:{CLIENT_SECRET}", seeded.client)));
        let url = format!("{}/oauth2/default/v1/token", node.url);
        let load = |seconds: f64| -> Result<f64, Error> {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["token-load", "--url", &url, "--authorization", &authorization]);
            command.args(["--seconds", &seconds.to_string()]);
            if let Some(host) = (orgs > 1).then(|| seed::host(1)).flatten() {
                command.args(["--host", &host]);
            }
            Figures::of(command)?.number("tokensPerSecond")
        };
        load(self.options.seconds / 4.0)?;
        load(self.options.seconds)
    }

    /// How long a change of one org takes until the other nodes have it, from the moment it was asked for.
    fn seen(&self, seeded: &Seeded, node: &Node, orgs: usize) -> Result<(f64, f64), Error> {
        let client = asking();
        let host = (orgs > 1).then(|| seed::host(1)).flatten();
        let org = if orgs > 1 { seed::org_id(1).to_string() } else { seeded.default_org.clone() };
        let mut followers = Vec::new();
        for _ in 0..FOLLOWERS {
            let follower = Node::start(&seeded.database, &seeded.keys)?;
            let url = format!("{}/oauth2/default/v1/keys", follower.url);
            self.runtime.block_on(ask(&client, "GET", &url, host.as_deref(), None))?;
            followers.push(follower);
        }
        std::thread::sleep(SETTLE);
        let url = format!("{}/api/v1/inlineHooks/{}", node.url, seed::first_hook());
        let mut times = Vec::new();
        for number in 0..self.options.changes {
            let name = format!("seen-{number}");
            for follower in &mut followers {
                follower.process.ask(&format!("await {org} {name}"))?;
            }
            // Changes come at any moment between two looks of a node.
            std::thread::sleep(Duration::from_millis(u64::try_from(number * 37 % 500)?));
            let began = node::epoch_us()?;
            self.runtime.block_on(ask(&client, "POST", &url, host.as_deref(), Some(&json!({ "name": name }))))?;
            let mut last: f64 = 0.0;
            for follower in &mut followers {
                last = last.max(follower.process.object()?.number("atUs")?);
            }
            times.push((last - began) / 1e3);
        }
        for follower in followers {
            follower.process.stop()?;
        }
        Ok(statistics::median_and_p99(&mut times))
    }

    /// How long a change takes in orgs of different sizes.
    fn objects(&self) -> Result<Vec<(usize, f64, f64)>, Error> {
        let seeded = self.seeded(1, &OBJECTS)?;
        let node = Node::start(&seeded.database, &seeded.keys)?;
        std::thread::sleep(SETTLE);
        let client = asking();
        let url = format!("{}/api/v1/inlineHooks/{}", node.url, seed::first_hook());
        let mut all = Vec::new();
        for objects in OBJECTS {
            let host = seed::host_of_objects(objects);
            let change = |name: &str| {
                let body = json!({ "name": name });
                self.runtime.block_on(ask(&client, "POST", &url, Some(&host), Some(&body))).map(drop)
            };
            change("before")?;
            let mut times = timed(self.options.changes, |number| change(&format!("change-{number}")))?;
            let (median, p99) = statistics::median_and_p99(&mut times);
            all.push((objects, median, p99));
        }
        node.process.stop()?;
        Ok(all)
    }
}

/// Milliseconds of each.
fn timed(times: usize, mut each: impl FnMut(usize) -> Result<(), Error>) -> Result<Vec<f64>, Error> {
    let one = |number| {
        let began = Instant::now();
        each(number)?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    (0..times).map(one).collect()
}

fn row(measured: &Measured) {
    let optional = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.1}"));
    println!(
        "{:>8}{:>10.3}{:>9.2}{:>9}{:>12.1}{:>11}{:>12}{:>10}{:>10}{:>10.0}{:>12.2}",
        measured.orgs,
        measured.start_s,
        measured.idle_cpu_percent,
        optional(measured.idle_transactions),
        measured.resident_bytes / 1e6,
        optional(measured.cold_kb),
        optional(measured.loaded_kb),
        optional(measured.seen_ms.map(|(median, _)| median)),
        optional(measured.seen_ms.map(|(_, p99)| p99)),
        measured.tokens_per_second,
        measured.metrics_ms,
    );
}

/// Resident bytes of a node, and how many orgs it has in memory.
fn memory(node: &mut Node) -> Result<(f64, f64), Error> {
    let answer = node.process.answer("memory")?;
    Ok((answer.number("bytes")?, answer.number("loaded")?))
}

#[expect(clippy::cast_precision_loss, reason = "a count of orgs")]
fn count(orgs: usize) -> f64 {
    orgs as f64
}

type Asking = Client<HttpConnector, Full<Bytes>>;

fn asking() -> Asking {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Asks an org for something, as its administrator.
async fn ask(
    client: &Asking,
    method: &str,
    url: &str,
    host: Option<&str>,
    body: Option<&Value>,
) -> Result<Bytes, Error> {
    let mut request = http::Request::builder().method(method).uri(url);
    request = request.header("authorization", format!("SSWS {ADMIN_TOKEN}")).header("content-type", "application/json");
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let answer = client.request(request.body(Full::new(body))?).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        return Err(format!("{method} {url}: {status} {}", String::from_utf8_lossy(&bytes)).into());
    }
    Ok(bytes)
}
