//! A mail server over real sockets, with a script of its faults.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::lock;

/// What a mail server offers, and what it does.
#[derive(Clone, Default)]
pub struct SmtpScript {
    /// TLS from the beginning.
    pub tls: Option<Arc<ServerConfig>>,
    /// TLS with STARTTLS.
    pub starttls: Option<Arc<ServerConfig>>,
    /// The mechanisms that it offers, such as `PLAIN LOGIN`, with the user and the password that it accepts.
    pub login: Option<(&'static str, &'static str, &'static str)>,
    /// Whether it takes addresses of other letters than ASCII.
    pub smtputf8: bool,
    /// The replies to the recipients of the first mails, such as `451 4.7.1 Later`; the later ones are taken.
    pub replies: Vec<&'static str>,
    /// Whether it stops answering at the recipient.
    pub hangs: bool,
    /// Whether it stops answering after it has taken a mail.
    pub hangs_at_quit: bool,
}

/// A mail that the server has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipient of the envelope.
    pub to: String,
    /// The message, as it was sent.
    pub message: String,
    /// Whether it came over TLS.
    pub is_encrypted: bool,
    /// The user name of the login on this connection, if there was one.
    pub user: Option<String>,
}

impl TakenMail {
    /// The bodies without the line breaks of their encoding.
    ///
    /// ```
    /// use tenterhook_testkit::smtp::TakenMail;
    /// let mail = TakenMail { message: "a=\r\nb=3Dc".to_owned(), ..TakenMail::default() };
    /// assert_eq!(mail.decoded(), "ab=c");
    /// ```
    pub fn decoded(&self) -> String {
        self.message.replace("=\r\n", "").replace("=3D", "=")
    }
}

/// A running server; it ends when it is dropped.
pub struct SmtpServer {
    address: SocketAddr,
    state: Arc<State>,
    serving: AbortHandle,
}

struct State {
    script: SmtpScript,
    taken: Mutex<Vec<TakenMail>>,
    /// Every line of every client, but for messages.
    lines: Mutex<Vec<String>>,
}

impl SmtpServer {
    /// Starts a server on a free loopback port.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start(script: SmtpScript) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { script, taken: Mutex::default(), lines: Mutex::default() });
        let serving = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let state = Arc::clone(&state);
                    // A client that goes away ends its connection only.
                    connections.spawn(async move { drop(state.serve(stream).await) });
                }
            }
        });
        Ok(Self { address, state, serving: serving.abort_handle() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails that it has taken.
    pub fn taken(&self) -> Vec<TakenMail> {
        lock(&self.state.taken).clone()
    }

    /// The lines that clients have sent, without messages.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.state.lines).clone()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl State {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        if let Some(tls) = &self.script.tls {
            let stream = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await?;
            return self.talk(BufReader::new(stream), true, true).await.map(drop);
        }
        let clear = self.talk(BufReader::new(stream), true, false).await?;
        if let (Some(clear), Some(tls)) = (clear, &self.script.starttls) {
            let stream = TlsAcceptor::from(Arc::clone(tls)).accept(clear.into_inner()).await?;
            self.talk(BufReader::new(stream), false, true).await?;
        }
        Ok(())
    }

    /// Talks until the client goes, or wants TLS: then its stream is returned.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        greets: bool,
        is_encrypted: bool,
    ) -> io::Result<Option<BufReader<S>>> {
        let mut mail = TakenMail { is_encrypted, ..TakenMail::default() };
        if greets {
            say(&mut stream, "220 localhost").await?;
        }
        while let Some(line) = self.line(&mut stream).await? {
            let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            let reply = match word.as_str() {
                "EHLO" => self.offer(is_encrypted),
                "STARTTLS" => {
                    say(&mut stream, "220 Go ahead").await?;
                    return Ok(Some(stream));
                }
                "AUTH" => self.auth(&line, &mut stream, &mut mail).await?.to_owned(),
                "MAIL" => {
                    address(&line).clone_into(&mut mail.from);
                    "250 OK".to_owned()
                }
                "RCPT" if self.script.hangs => std::future::pending().await,
                "RCPT" => {
                    address(&line).clone_into(&mut mail.to);
                    let said = lock(&self.lines).iter().filter(|line| line.starts_with("RCPT")).count();
                    self.script.replies.get(said - 1).copied().unwrap_or("250 OK").to_owned()
                }
                "DATA" => {
                    say(&mut stream, "354 Go ahead").await?;
                    mail.message = message(&mut stream).await?;
                    lock(&self.taken).push(mail.clone());
                    "250 Taken".to_owned()
                }
                "QUIT" if self.script.hangs_at_quit => std::future::pending().await,
                "QUIT" => {
                    say(&mut stream, "221 Bye").await?;
                    return Ok(None);
                }
                _ => "500 Unknown".to_owned(),
            };
            say(&mut stream, &reply).await?;
        }
        Ok(None)
    }

    fn offer(&self, is_encrypted: bool) -> String {
        let mut offers = vec!["localhost".to_owned(), "8BITMIME".to_owned()];
        if self.script.starttls.is_some() && !is_encrypted {
            offers.push("STARTTLS".to_owned());
        }
        if self.script.smtputf8 {
            offers.push("SMTPUTF8".to_owned());
        }
        if let Some((mechanisms, ..)) = self.script.login {
            offers.push(format!("AUTH {mechanisms}"));
        }
        let last = offers.len() - 1;
        let lines =
            offers.iter().enumerate().map(|(at, offer)| format!("250{}{offer}", if at == last { ' ' } else { '-' }));
        lines.collect::<Vec<_>>().join("\r\n")
    }

    async fn auth<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        line: &str,
        stream: &mut BufReader<S>,
        mail: &mut TakenMail,
    ) -> io::Result<&'static str> {
        let Some((_, user, password)) = self.script.login else { return Ok("503 Not offered") };
        let mut words = line.split(' ').skip(1);
        let is_good = match words.next() {
            Some("PLAIN") => words.next() == Some(&STANDARD.encode(format!("\0{user}\0{password}"))),
            Some("LOGIN") => {
                let mut said = Vec::new();
                for asked in ["Username:", "Password:"] {
                    say(stream, &format!("334 {}", STANDARD.encode(asked))).await?;
                    said.push(self.line(stream).await?.unwrap_or_default());
                }
                said == [STANDARD.encode(user), STANDARD.encode(password)]
            }
            _ => false,
        };
        mail.user = is_good.then(|| user.to_owned());
        Ok(if is_good { "235 Welcome" } else { "535 5.7.8 No" })
    }

    async fn line<S: AsyncRead + Unpin>(&self, stream: &mut BufReader<S>) -> io::Result<Option<String>> {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        lock(&self.lines).push(line.clone());
        Ok(Some(line))
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// A message up to the line with a dot.
async fn message<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// The address of a `MAIL` or `RCPT` line.
fn address(line: &str) -> &str {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(address, _)| address)
}
