//! Hosts of services that only some networks know: what they are, for the people who wonder why a call does not arrive.

use std::net::IpAddr;

/// Names that a container runtime gives to the machine that its containers run on.
const OF_CONTAINER_HOSTS: [&str; 8] = [
    "host.docker.internal",
    "gateway.docker.internal",
    "kubernetes.docker.internal",
    "host.containers.internal",
    "host.lima.internal",
    "host.minikube.internal",
    "host.orb.internal",
    "host.rancher-desktop.internal",
];

/// Top-level domains of private networks.
const OF_PRIVATE_NETWORKS: [&str; 7] = ["internal", "lan", "home.arpa", "home", "corp", "intranet", "private"];

/// Whether a host, without brackets, is this machine: `localhost` or a loopback address.
///
/// ```
/// use tenterhook_contract::hook::is_loopback_host;
/// assert!(is_loopback_host("LocalHost") && is_loopback_host("127.0.0.2") && is_loopback_host("::1"));
/// assert!(!is_loopback_host("localhost.example"));
/// ```
pub fn is_loopback_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A text about a host, with a sentence that explains a host which only some networks know ([`explain_host`]).
pub fn with_host_explained(text: String, host: &str) -> String {
    match explain_host(host) {
        Some(why) => format!("{text}. {why}"),
        None => text,
    }
}

/// Why a host, without brackets, may not be known or may not be called where a call is made: one sentence without its full
/// stop. `None` for names and addresses that are the same everywhere.
///
/// ```
/// use tenterhook_contract::hook::explain_host;
/// assert!(explain_host("host.docker.internal").unwrap().contains("write `localhost`"));
/// assert!(explain_host("hooks.vendor.com").is_none());
/// ```
pub fn explain_host(host: &str) -> Option<&'static str> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if is_loopback_host(&host) || is_below("localhost") {
        return Some(
            "In a container this is the container itself: there the machine around it is `host.docker.internal`, and \
             another container has the name of its service",
        );
    }
    if host.parse::<IpAddr>().is_ok() || host.is_empty() {
        return None;
    }
    if OF_CONTAINER_HOSTS.contains(&host.as_str()) {
        return Some(
            "Only containers know this name of the machine around them: where Tenterhook runs on that machine itself write \
             `localhost`, and where it runs in a container on Linux start that with \
             `--add-host=host.docker.internal:host-gateway`",
        );
    }
    if is_below("cluster.local") || is_below("svc") {
        return Some(
            "Only pods of the Kubernetes cluster know this name: run Tenterhook in the cluster, or call the service by the \
             name of its ingress",
        );
    }
    if is_below("local") {
        return Some(
            "Names in `.local` are found by multicast DNS (RFC 6762) in the local network, which servers and containers \
             mostly do not ask: write a name of the DNS, or the address",
        );
    }
    if OF_PRIVATE_NETWORKS.iter().any(|domain| is_below(domain)) {
        return Some(
            "This domain belongs to a private network: only its own name servers know the name, and Tenterhook has to ask \
             them",
        );
    }
    if ["example", "invalid", "test"].iter().any(|domain| is_below(domain)) {
        return Some("This domain is for documentation and tests (RFC 2606): no public name server knows it");
    }
    (!host.contains('.')).then_some(
        "A name without a domain, such as that of a service of docker compose, is known only in the network of its \
         containers: run Tenterhook in that network, or call the service by a port that it publishes",
    )
}
