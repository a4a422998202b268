//! Which org a request is for: what it says of its host, by HTTP/1.1 and by HTTP/2.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tenterhook_contract::{Secret, id::OrgId};
use tenterhook_engine::{Clock as _, SystemClock};
use tenterhook_management::api_tokens::api_token;
use tenterhook_model::Org;
use tenterhook_platform::{ChangeError, entropy::SystemEntropy};
use tokio::net::TcpStream;

use crate::harness::World;

const TOKEN: &str = "the-token-of-every-org";

/// Adds an org, which has the token too.
async fn add_org(world: &World, number: u8, host: &str) {
    let id = OrgId::from_parts(1, [number; 8]);
    let now = SystemClock.now();
    let org = Org::new(id.clone(), Some(host.to_owned()), host, now);
    world.platform.add_org(&org).await.unwrap();
    add_token(world, &id).await;
}

async fn add_token(world: &World, org: &OrgId) {
    let token = api_token(&SystemEntropy, SystemClock.now(), org, "Every org", &Secret::new(TOKEN));
    world.platform.store().insert_api_token(&token).await.unwrap();
}

/// Base URL of the org that answers.
async fn answers(world: &World, version: Version, uri: &str, host: Option<&str>) -> String {
    let mut request = Request::builder().version(version).uri(uri).header("authorization", format!("SSWS {TOKEN}"));
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let stream = TokioIo::new(TcpStream::connect(world.address).await.unwrap());
    let answer = if version == Version::HTTP_2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    assert_eq!(answer.status(), 200, "{uri} {host:?}");
    let link = answer.headers()["link"].to_str().unwrap();
    link.trim_start_matches('<').split("/api/").next().unwrap().to_owned()
}

#[tokio::test]
async fn the_host_of_a_request_chooses_the_org_however_it_is_said() {
    let world = World::start().await;
    add_token(&world, &world.platform.org_by_host(None).unwrap().org.id.clone()).await;
    add_org(&world, 1, "north.example.com").await;
    add_org(&world, 2, "South.example.com:8443").await;
    add_org(&world, 3, "south.example.com").await;
    add_org(&world, 4, "[2001:db8::1]").await;
    let default = format!("http://{}", world.address);
    for (host, wanted) in [
        ("north.example.com", "https://north.example.com"),
        ("NORTH.example.com", "https://north.example.com"),
        ("north.example.com:443", "https://north.example.com"),
        ("North.Example.com:8080", "https://north.example.com"),
        ("north.example.com.", "https://north.example.com"),
        ("south.example.com:8443", "https://South.example.com:8443"),
        ("south.example.com:9443", "https://south.example.com"),
        ("south.example.com", "https://south.example.com"),
        ("[2001:DB8::1]", "https://[2001:db8::1]"),
        ("[2001:db8::1]:8080", "https://[2001:db8::1]"),
        ("[2001:db8::1:8080]", &default),
        ("evil.north.example.com", &default),
        ("east.example.com", &default),
    ] {
        for path in ["/api/v1/logs", "//api//v1/logs"] {
            assert_eq!(answers(&world, Version::HTTP_11, path, Some(host)).await, wanted, "HTTP/1.1 {host} {path}");
            let uri = format!("http://{host}{path}");
            assert_eq!(answers(&world, Version::HTTP_2, &uri, None).await, wanted, "HTTP/2 {host} {path}");
            let other = Some("east.example.com");
            assert_eq!(answers(&world, Version::HTTP_2, &uri, other).await, wanted, "the authority comes first");
            for uri in [uri, format!("http://somebody@{host}{path}")] {
                let answered = answers(&world, Version::HTTP_11, &uri, other).await;
                assert_eq!(answered, wanted, "so does an absolute request line: {uri}");
            }
        }
    }
}

#[tokio::test]
async fn a_change_of_an_org_that_is_not_there_says_so() {
    let (world, gone) = (World::start().await, OrgId::from_parts(9, [9; 8]));
    let change = world.platform.change(&gone, |_| Ok::<_, ()>((Vec::new(), ()))).await;
    assert!(matches!(change, Err(ChangeError::NoOrg(id)) if id == gone));
}
