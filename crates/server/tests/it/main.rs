//! The server end to end: real sockets, a real database, a real external service.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod access_rules;
mod answers;
mod api_tokens;
mod authorize;
mod codes;
mod echo;
mod edge;
mod grace;
mod harness;
mod hook_keys;
mod inline_hooks;
mod limits;
mod lists;
mod logs;
mod metrics;
mod nodes;
mod nodes_together;
mod oauth;
mod org_limit;
mod orgs;
mod own_type;
mod places;
mod plain_text;
mod preview;
mod raw_http2;
mod secrecy;
mod server_objects;
mod signing_keys;
mod slow_clients;
mod strangers;
mod taking_nothing;
mod user_life;
mod user_schema;
mod users;
mod wire;
