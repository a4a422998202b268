//! Header names in the case in which they were registered, over HTTP/1.1.
//!
//! `HeaderName` is lower case, and hyper writes names in title case unless the request carries the case of each: a private
//! extension of hyper, which it puts on messages that it has parsed, for proxies to send them on as they came. So the names
//! are parsed by hyper once, when a hook is prepared, and its extension is put on each request. Over HTTP/2 all names are
//! lower case (RFC 9113 section 8.2.1).

use std::{
    convert::Infallible,
    io,
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
};

/// The extension that makes requests carry these names as written; `None` when all of them are in title case.
pub(crate) fn of(names: &[&str]) -> Option<Extensions> {
    if names.iter().all(|name| is_title_case(name)) {
        return None;
    }
    let mut head = "POST / HTTP/1.1\r\nContent-Length: 0\r\n".to_owned();
    for name in names {
        head.push_str(name);
        head.push_str(": \r\n");
    }
    head.push_str("\r\n");
    let parsed = Arc::new(OnceLock::new());
    let keep = Arc::clone(&parsed);
    let service = service_fn(move |request: Request<Incoming>| {
        // Only one request is parsed.
        let _ = keep.set(request.extensions().clone());
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let connection = http1::Builder::new()
        .preserve_header_case(true)
        .header_read_timeout(None)
        .max_headers(names.len() + 1)
        .serve_connection(Text(Bytes::from(head)), service);
    // The whole request is in the buffer, so one poll is enough.
    let _ = pin!(connection).poll(&mut Context::from_waker(Waker::noop()));
    parsed.get().cloned()
}

/// Whether hyper writes the name in this case by default.
fn is_title_case(name: &str) -> bool {
    let before = std::iter::once(b'-').chain(name.bytes());
    name.bytes().zip(before).all(
        |(byte, before)| {
            if before == b'-' { !byte.is_ascii_lowercase() } else { !byte.is_ascii_uppercase() }
        },
    )
}

/// A connection that yields a text; written bytes are discarded.
struct Text(Bytes);

impl Read for Text {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let length = self.0.len().min(buffer.remaining());
        buffer.put_slice(&self.0.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl Write for Text {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_hyper_would_change_need_anything() {
        for name in ["Authorization", "X-Tenant", "X-2fa", "A", "X-", "-", "X_y"] {
            assert!(of(&[name]).is_none(), "{name}");
        }
        for name in ["authorization", "X-API-KEY", "x-tenant", "X-tenant", "SOAPAction", "api_key", "X_Y"] {
            assert!(of(&["Fine", name]).is_some(), "{name}");
        }
        let many: Vec<String> = (0..200).map(|number| format!("x-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(of(&many).is_some(), "as many as there are");
        assert!(of(&["not a name"]).is_none(), "what is no name is not sent");
    }
}
