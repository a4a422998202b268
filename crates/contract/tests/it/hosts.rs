//! Hosts that only some networks know explain themselves.

use tenterhook_contract::hook::{explain_host, is_loopback_host};

#[test]
fn a_host_that_only_some_networks_know_is_explained_in_one_sentence() {
    let of_container_hosts = Some("Only containers know this name of the machine around them");
    let of_loopback = Some("In a container this is the container itself");
    let of_services = Some("A name without a domain, such as that of a service of docker compose");
    for (host, wanted) in [
        ("host.docker.internal", of_container_hosts),
        ("HOST.docker.internal.", of_container_hosts),
        ("host.containers.internal", of_container_hosts),
        ("host.minikube.internal", of_container_hosts),
        ("localhost", of_loopback),
        ("app.localhost", of_loopback),
        ("127.0.0.1", of_loopback),
        ("::1", of_loopback),
        ("hook", of_services),
        ("claims-service", of_services),
        ("claims_1", of_services),
        ("claims.default.svc.cluster.local", Some("Only pods of the Kubernetes cluster know this name")),
        ("claims.default.svc", Some("Only pods of the Kubernetes cluster know this name")),
        ("adas-laptop.local", Some("Names in `.local` are found by multicast DNS")),
        ("ip-10-0-0-1.ec2.internal", Some("This domain belongs to a private network")),
        ("nas.home.arpa", Some("This domain belongs to a private network")),
        ("hooks.vendor.example", Some("This domain is for documentation and tests (RFC 2606)")),
        ("hooks.vendor.com", None),
        ("local.vendor.com", None),
        ("svc.vendor.com", None),
        ("10.0.0.1", None),
        ("2606:4700::1111", None),
        ("", None),
    ] {
        let why = explain_host(host);
        assert_eq!(why.is_some(), wanted.is_some(), "{host}: {why:?}");
        if let (Some(why), Some(wanted)) = (why, wanted) {
            assert!(why.starts_with(wanted) && !why.contains(". ") && !why.ends_with('.'), "{host}: {why}");
        }
    }
    for (host, is_loopback) in
        [("localhost", true), ("[::1]", false), ("127.255.0.1", true), ("localhost.evil.example", false)]
    {
        assert_eq!(is_loopback_host(host), is_loopback, "{host}");
    }
}
