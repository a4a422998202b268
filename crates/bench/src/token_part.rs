//! Parts of a token's cost, measured separately.

use std::{sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use tenterhook_contract::{Timestamp, id::RequestId};
use tenterhook_flows::{
    commitment::Commitment,
    oauth::{
        parameters::Parameters,
        token::{self, TokenRequest},
    },
};
use tenterhook_jose::{SigningAlgorithm, TokenSigner};
use tenterhook_platform::{Caller, Languages};
use tokio::time::Instant;

use crate::{Error, callers::Target, cpu, service::Wire, statistics, token_server::World};

/// Interval between the probe's signatures.
const PROBE_EVERY: Duration = Duration::from_millis(1);

/// Which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Reading the form and the client's secret.
    Authentication,
    /// A signature with a kept key.
    Rs256,
    /// A signature with a kept key.
    Es256,
    /// Signatures while other tasks run.
    Probe,
}

/// Where the probe signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// It does not sign.
    None,
    /// On the thread that handles the request.
    Reactor,
    /// On a thread of the blocking pool.
    BlockingPool,
}

/// Options of a part; started by the benchmark.
#[derive(Args, Clone)]
pub(crate) struct PartOptions {
    #[arg(long)]
    part: Part,
    #[arg(long, default_value = "none")]
    way: Way,
    #[arg(long)]
    seconds: f64,
}

/// Measures one part, in this process.
pub(crate) fn run(options: &PartOptions) -> Result<(), Error> {
    let length = Duration::from_secs_f64(options.seconds);
    match options.part {
        Part::Rs256 => alone(length, &signing(SigningAlgorithm::RS256)?),
        Part::Es256 => alone(length, &signing(SigningAlgorithm::ES256)?),
        Part::Authentication => authentication(length),
        Part::Probe => probe(length, options.way),
    }
}

fn signing(algorithm: SigningAlgorithm) -> Result<impl Fn() -> Result<(), Error>, Error> {
    let signer = signer(algorithm)?;
    let claims = claims();
    Ok(move || {
        signer.sign(&claims)?;
        Ok(())
    })
}

fn signer(algorithm: SigningAlgorithm) -> Result<TokenSigner, Error> {
    let pair = tenterhook_jose::generate(algorithm)?;
    Ok(TokenSigner::new(algorithm, &pair.private_key_pem, "bench")?)
}

/// The claims of a client-credentials token.
fn claims() -> Map<String, Value> {
    let claims = json!({
        "ver": 1, "jti": "AT.q8Zr1nXk4Vw7Ls0TgBy2Jc5MdPfHa9UeRi3OoKvQmSx",
        "iss": "https://org.example.com/oauth2/aus00000000100000001", "aud": "api://orders", "cid": "storefront",
        "sub": "storefront", "tier": "gold", "region": "eu", "iat": 1_770_800_531, "exp": 1_770_804_131,
        "scp": ["orders.read"],
    });
    claims.as_object().cloned().unwrap_or_default()
}

/// Repeats `work` for `length`; prints the CPU time of one.
pub(crate) fn alone(length: Duration, work: &dyn Fn() -> Result<(), Error>) -> Result<(), Error> {
    let until = Instant::now() + length;
    let (before, mut times) = (cpu::time()?, 0_u32);
    while Instant::now() < until {
        for _ in 0..16 {
            work()?;
        }
        times += 16;
    }
    let used = cpu::time()?.saturating_sub(before);
    println!("{}", json!({ "cpuUs": used.as_secs_f64() * 1e6 / f64::from(times) }));
    Ok(())
}

/// A token request with an unknown grant type: only the form, the client and its secret are processed.
fn authentication(length: Duration) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let target = Target { port: 1, wire: Wire::Plain, authority: "none".into(), path: "/access".to_owned() };
        let world = World::start(&target, "http://127.0.0.1:1".to_owned()).await?;
        let authorization = world.authorization();
        let org = world.platform.org_by_host(None).ok_or("there is an org")?;
        let server = org.authorization_server("default").ok_or("there is a server")?;
        let caller = Caller {
            request_id: RequestId::from_entropy([5; 16]),
            at: Timestamp::from_micros(0),
            method: "POST".to_owned(),
            path: "/oauth2/default/v1/token".to_owned(),
            query: None,
            ip_address: "127.0.0.1".to_owned(),
            proxies: Vec::new(),
            user_agent: None,
            languages: Languages::default(),
            base_url: org.base_url.clone(),
        };
        let (commitment, attempts) = (Commitment::default(), Arc::default());
        let until = Instant::now() + length;
        let (before, mut times) = (cpu::time()?, 0_u32);
        while Instant::now() < until {
            for _ in 0..16 {
                let form =
                    Parameters::parse(b"grant_type=none&scope=orders.read").map_err(|error| error.description)?;
                let request = TokenRequest {
                    caller: &caller,
                    parameters: &form,
                    authorization: Some(&authorization),
                    attempts: &attempts,
                };
                let refused = token::issue(&world.platform, &org, server, request, &commitment).await;
                if refused.is_ok_and(|_| true) {
                    return Err("a token was issued".into());
                }
            }
            times += 16;
        }
        let used = cpu::time()?.saturating_sub(before);
        println!("{}", json!({ "cpuUs": used.as_secs_f64() * 1e6 / f64::from(times) }));
        Ok(())
    })
}

/// Signs a thousand times a second on a runtime of two threads, as `serve` has on two cores, while a pair of tasks
/// exchanges messages: the time of their rounds shows the effect of signing on other tasks.
fn probe(length: Duration, way: Way) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let signer = Arc::new(signer(SigningAlgorithm::RS256)?);
        let until = Instant::now() + length;
        let before = cpu::time()?;
        let signing = tokio::spawn(async move {
            let mut every = tokio::time::interval(PROBE_EVERY);
            let mut signatures = 0_u32;
            let mut tasks = tokio::task::JoinSet::new();
            while Instant::now() < until {
                every.tick().await;
                let signer = Arc::clone(&signer);
                match way {
                    Way::None => {}
                    Way::Reactor => drop(tasks.spawn(async move { drop(signer.sign(&claims())) })),
                    Way::BlockingPool => drop(tasks.spawn_blocking(move || drop(signer.sign(&claims())))),
                }
                signatures += 1;
                while tasks.try_join_next().is_some() {}
            }
            signatures
        });
        let (ask, mut asked) = tokio::sync::mpsc::channel::<()>(1);
        let (reply, mut replied) = tokio::sync::mpsc::channel::<()>(1);
        tokio::spawn(async move {
            while asked.recv().await.is_some() {
                let _ = reply.send(()).await;
            }
        });
        let mut rounds = Vec::new();
        let mut every = tokio::time::interval(Duration::from_micros(1_500));
        while Instant::now() < until {
            every.tick().await;
            let began = Instant::now();
            ask.send(()).await?;
            let _ = replied.recv().await;
            rounds.push(began.elapsed().as_secs_f64() * 1e6);
        }
        let signatures = signing.await?;
        let used = cpu::time()?.saturating_sub(before);
        rounds.sort_by(f64::total_cmp);
        println!(
            "{}",
            json!({
                "cpuUs": used.as_secs_f64() * 1e6 / f64::from(signatures),
                "p99Us": statistics::percentile(&rounds, 0.99),
            })
        );
        Ok(())
    })
}
