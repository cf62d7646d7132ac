//! A client that asks one thing at a time and looks at the answer: for what is checked, and for connections that wait.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::place::Place;
use crate::tokens::HOST;

const PATIENCE: Duration = Duration::from_secs(10);

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// How to connect; one for many connections.
pub struct Dialer {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

/// One connection, HTTP/1.1 over TCP or TLS.
pub struct Client(Box<dyn Stream>);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Dialer {
    /// To a contender.
    pub fn new(place: &Place, address: SocketAddr) -> Self {
        let tls = place.protocol.is_encrypted().then(|| {
            let mut roots = RootCertStore::empty();
            let site = CertificateDer::from_pem_slice(place.folder.text("site.pem").as_bytes());
            roots.add(site.expect("it was written as PEM")).expect("it is a certificate");
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let builder = builder.expect("the provider has all of TLS").with_root_certificates(roots);
            Arc::new(builder.with_no_client_auth())
        });
        Self { address, tls }
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// The contender does not accept.
    pub fn connect(&self) -> std::io::Result<Client> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let Some(tls) = &self.tls else { return Ok(Client(Box::new(stream))) };
        let name = ServerName::try_from(HOST).expect("the host is a name");
        let session = ClientConnection::new(Arc::clone(tls), name).map_err(std::io::Error::other)?;
        Ok(Client(Box::new(StreamOwned::new(session, stream))))
    }
}

impl Client {
    /// Asks once, with this token or with none, and waits for the answer.
    ///
    /// # Errors
    ///
    /// The connection breaks, or what comes is no answer with a length.
    pub fn ask(&mut self, token: Option<&str>) -> std::io::Result<Answer> {
        let credential = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "GET /documents/42 HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: bench\r\nAccept: */*\r\n{credential}\r\n"
        );
        self.0.write_all(request.as_bytes())?;
        self.0.flush()?;
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some(answer) = Answer::read(&text) {
                return Ok(answer);
            }
            match self.0.read(&mut piece)? {
                0 => return Err(std::io::Error::other(format!("cut: {}", String::from_utf8_lossy(&text)))),
                read => text.extend_from_slice(&piece[..read]),
            }
        }
    }
}

impl Answer {
    /// The answer, once all of it is there.
    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        })?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        (body.len() >= length).then(|| Self { status, body: body.to_owned() })
    }
}
