//! An external service of a test: one answer a connection.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::Value;

/// A service; it serves until the test ends.
pub(crate) struct Service {
    pub(crate) uri: String,
    /// The heads of the requests, as they came.
    pub(crate) heads: Receiver<String>,
}

impl Service {
    /// A service that answers each document with a status and a body.
    pub(crate) fn start(answer: impl Fn(&Value) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/hooks/token", listener.local_addr().unwrap());
        let (heads_in, heads) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (head, document) = request(&stream);
                let _ = heads_in.send(head);
                let (status, body) = answer(&document);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {length}");
                let _ = stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n{body}").as_bytes());
            }
        });
        Self { uri, heads }
    }
}

/// Head and document of the request on a connection.
fn request(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}
