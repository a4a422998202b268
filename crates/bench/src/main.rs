//! Benchmarks. Each compares with a baseline measured in the same run, alternating, and prints ratios.
//!
//! Start reading at [`call`]. `cargo xtask bench NAME` runs one.
#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
#![expect(
    clippy::disallowed_methods,
    reason = "the baseline is the raw client that the product must not use elsewhere"
)]

mod browsers;
mod call;
mod callers;
mod contract;
mod cpu;
mod directory;
mod host;
mod isolation;
mod log;
mod matrix;
mod memory;
mod process;
mod saml;
mod scale;
mod service;
mod soak;
mod statistics;
mod subject;
mod token;
mod token_part;
mod token_server;
mod token_user;

use clap::{Parser, Subcommand};

/// An error of a benchmark, for people.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Benchmarks of Tenterhook.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// One hook call: the engine against a bare pooled client, in memory and with the database.
    Call(call::Options),
    /// Reading and applying an answer against a plain parse of the same bytes.
    Contract(contract::Options),
    /// Resident bytes of paused invocations against the bare client's.
    Memory(memory::Options),
    /// A healthy hook with a hanging and a failing neighbour, against good neighbours.
    Isolation(isolation::Options),
    /// Ten minutes of mixed faults at full load: memory, lost records, deadline overruns.
    Soak(soak::Options),
    /// A client-credentials token, without and with a hook, against the sum of its unavoidable parts and a peer.
    Token(token::Options),
    /// An invocation through the HTTP API against the engine alone, a Node.js program by hand and nginx's `auth_request`.
    Host(host::Options),
    /// A sign-on to a SAML app, without and with a hook, against its steps and a peer.
    Saml(saml::Options),
    /// The System Log: bytes of an event, and pages among ten million of them.
    Log(log::Options),
    /// Users among ten thousand and among a million: created, listed, searched, signed in.
    Directory(directory::Options),
    /// Many orgs: start, idle load, memory, changes and when other nodes have them, tokens.
    Scale(scale::Options),
    /// The external service that the benchmarks call; started by them.
    #[command(hide = true)]
    Service(service::Options),
    /// One measurement in a process of its own; started by the benchmarks.
    #[command(hide = true)]
    CallWorker(call::WorkerOptions),
    /// One measurement in a process of its own; started by the benchmarks.
    #[command(hide = true)]
    IsolationWorker(isolation::WorkerOptions),
    /// One measurement in a process of its own; started by the benchmarks.
    #[command(hide = true)]
    MemoryWorker(memory::WorkerOptions),
    /// The database of `scale` is filled in a process of its own; started by the benchmark.
    #[command(hide = true)]
    ScaleSeed(scale::SeedOptions),
    /// A node of `scale` in a process of its own; started by the benchmark.
    #[command(hide = true)]
    ScaleNode(scale::NodeOptions),
    /// A token server in a process of its own; started by the benchmarks.
    #[command(hide = true)]
    TokenServer(token_server::ServerOptions),
    /// Clients of a token server in a process of their own; started by the benchmarks.
    #[command(hide = true)]
    TokenLoad(token::LoadOptions),
    /// A part of `host` in a process of its own; started by the benchmark.
    #[command(hide = true, subcommand)]
    HostPart(host::Part),
    /// A part of `saml` in a process of its own; started by the benchmark.
    #[command(hide = true, subcommand)]
    SamlPart(saml::Part),
    /// A part of a token's cost in a process of its own; started by the benchmarks.
    #[command(hide = true)]
    TokenPart(token_part::PartOptions),
}

fn main() -> Result<(), Error> {
    match Arguments::parse().benchmark {
        Benchmark::Call(options) => call::run(&options),
        Benchmark::Contract(options) => contract::run(&options),
        Benchmark::Memory(options) => memory::run(&options),
        Benchmark::Service(options) => service::run(&options),
        Benchmark::CallWorker(options) => call::work(&options),
        Benchmark::Isolation(options) => isolation::run(&options),
        Benchmark::IsolationWorker(options) => isolation::work(&options),
        Benchmark::Soak(options) => soak::run(&options),
        Benchmark::MemoryWorker(options) => memory::work(options),
        Benchmark::Host(options) => host::run(&options),
        Benchmark::HostPart(part) => host::work(&part),
        Benchmark::Saml(options) => saml::run(&options),
        Benchmark::SamlPart(part) => saml::work(&part),
        Benchmark::Log(options) => log::run(&options),
        Benchmark::Directory(options) => directory::run(&options),
        Benchmark::Scale(options) => scale::run(&options),
        Benchmark::ScaleSeed(options) => scale::fill(&options),
        Benchmark::ScaleNode(options) => scale::serve(&options),
        Benchmark::Token(options) => token::run(&options),
        Benchmark::TokenServer(options) => token_server::run(&options),
        Benchmark::TokenLoad(options) => token::load(&options),
        Benchmark::TokenPart(options) => token_part::run(&options),
    }
}

/// Prints one figure in the form that programs read.
fn figure(name: &str, value: f64, unit: &str) {
    println!("figure {name} {value:.3} {unit}");
}
