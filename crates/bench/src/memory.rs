//! `bench memory`: the memory of a paused invocation compared with a bare client's request.
//!
//! A paused flow also holds its own data, the subject, with every kind of caller; that is measured separately.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tenterhook_contract::token::TokenSubject;
use tenterhook_engine::{Engine, InvocationRecord, Recorder};
use tokio::task::JoinSet;

use crate::{
    Error, call,
    callers::{self, Extra, Target},
    cpu::{self, Figures},
    figure, service, statistics, subject,
};

/// Options of `bench memory`.
#[derive(Args)]
pub(crate) struct Options {
    /// Invocations paused at the same time.
    #[arg(long, default_value_t = 10_000)]
    paused: usize,
    /// Alternations; the medians are printed.
    #[arg(long, default_value_t = 5)]
    alternations: usize,
}

/// Options of one measurement.
#[derive(Args, Clone, Copy)]
pub(crate) struct WorkerOptions {
    #[arg(long)]
    caller: Caller,
    #[arg(long)]
    port: u16,
    #[arg(long)]
    paused: usize,
    #[arg(long)]
    http2: bool,
}

/// The kind of caller that pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Caller {
    /// A bare hyper-util pooled client.
    Bare,
    /// The engine.
    Engine,
    /// No call: flows that wait with the same data.
    Flow,
}

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    println!("Resident bytes of each of {} paused calls; medians of {} runs.", options.paused, options.alternations);
    for (protocol, http2) in [("http1", false), ("http2", true)] {
        let mut runs = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..options.alternations {
            for (caller, runs) in [Caller::Bare, Caller::Engine, Caller::Flow].into_iter().zip(&mut runs) {
                runs.push(measure(options, caller, http2)?);
            }
        }
        let [bare, engine, flow] = runs.map(|runs| statistics::median(runs) / 1_024.0);
        let own = engine - flow;
        println!(
            "{protocol}: bare client {bare:.1} KB, engine {engine:.1} KB: {flow:.1} KB are the flow's own subject, \
             {own:.1} KB the call"
        );
        figure(&format!("memory_paused_bare_{protocol}"), bare, "KB");
        figure(&format!("memory_paused_engine_{protocol}"), engine, "KB");
        figure(&format!("memory_paused_flow_{protocol}"), flow, "KB");
        figure(&format!("memory_paused_call_{protocol}"), own, "KB");
        figure(&format!("memory_paused_engine_over_bare_{protocol}"), engine / bare, "x");
    }
    Ok(())
}

fn measure(options: &Options, caller: Caller, http2: bool) -> Result<f64, Error> {
    // A new service for each run, so that connections of one run do not affect the next.
    let service = call::started_service(service::Kind::Silent, service::Wire::Plain)?;
    let mut command = cpu::pinned(1)?;
    command.args(["memory-worker", "--caller"]);
    command.arg(caller.to_possible_value().ok_or("the caller has a name")?.get_name());
    command.args(["--port", &service.target.port.to_string(), "--paused", &options.paused.to_string()]);
    if http2 {
        command.arg("--http2");
    }
    let figures = Figures::of(command);
    service.stop()?;
    figures?.number("bytes")
}

struct Nothing;

impl Recorder for Nothing {
    fn record(&self, _record: InvocationRecord) {}
}

/// One measurement, in this process.
pub(crate) fn work(options: WorkerOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut paused = JoinSet::new();
        match options.caller {
            Caller::Bare => pause_bare(options, &mut paused)?,
            Caller::Engine => pause_engine(options, &mut paused)?,
            Caller::Flow => pause_flow(options, &mut paused),
        }
        let before = cpu::resident_bytes()?;
        // Spawned tasks run only now: the difference is what they allocate.
        let after = settled(before).await?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of a process")]
        let each = after.saturating_sub(before) as f64 / options.paused as f64;
        println!("{}", serde_json::json!({ "bytes": each }));
        paused.abort_all();
        Ok(())
    })
}

/// Resident bytes once they have stopped growing.
async fn settled(before: u64) -> Result<u64, Error> {
    let (mut last, mut still) = (before, 0);
    while still < 10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = cpu::resident_bytes()?;
        still = if now <= last { still + 1 } else { 0 };
        last = last.max(now);
    }
    Ok(last)
}

fn pause_bare(options: WorkerOptions, paused: &mut JoinSet<()>) -> Result<(), Error> {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_max_idle_per_host(usize::MAX);
    if options.http2 {
        builder.http2_only(true).http2_initial_max_send_streams(options.paused);
    }
    let client = builder.build_http::<Full<Bytes>>();
    let uri: http::Uri = format!("http://127.0.0.1:{}/hook", options.port).parse()?;
    let body = Bytes::from(vec![b'x'; 3_072]);
    for _ in 0..options.paused {
        let (client, uri, body) = (client.clone(), uri.clone(), body.clone());
        paused.spawn(async move {
            if let Ok(request) = http::Request::post(uri).body(Full::new(body)) {
                drop(client.request(request).await);
            }
        });
    }
    Ok(())
}

fn pause_flow(options: WorkerOptions, paused: &mut JoinSet<()>) {
    let subject = Arc::new(subject::subject());
    for _ in 0..options.paused {
        let subject = Arc::clone(&subject);
        paused.spawn(async move {
            let subject = TokenSubject::clone(&subject);
            std::future::pending::<()>().await;
            drop(subject);
        });
    }
}

fn pause_engine(options: WorkerOptions, paused: &mut JoinSet<()>) -> Result<(), Error> {
    let limits = callers::everywhere(options.paused);
    let engine = Engine::builder().recorder(Arc::new(Nothing)).limits(limits).build();
    let target =
        Target { port: options.port, wire: service::Wire::Plain, authority: PathBuf::new(), path: "/hook".to_owned() };
    let transport = callers::transport(&target, options.http2)?;
    let hook = callers::ready_hook_on(&transport, &target, Extra::None, Duration::from_mins(1), Some(u32::MAX))?;
    let shared = Arc::new((engine, hook));
    let (origin, context, subject) = (callers::origin(), Arc::new(subject::context()), Arc::new(subject::subject()));
    for _ in 0..options.paused {
        let (shared, origin, context, subject) =
            (Arc::clone(&shared), Arc::clone(&origin), Arc::clone(&context), Arc::clone(&subject));
        paused.spawn(async move {
            let mut subject = TokenSubject::clone(&subject);
            let (engine, hook) = &*shared;
            engine.invoke(callers::invocation(hook, &origin, &context, &mut subject)).await;
        });
    }
    Ok(())
}
