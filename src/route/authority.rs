//! The host and port that a request asks for (RFC 9110 §7.2, RFC 9113 §8.3.1).

use std::fmt;

/// A host with an optional port, as a request or a configuration writes it; the host in lower case.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct HostPattern {
    /// A name or an address, in lower case; an IPv6 address in brackets.
    pub host: String,
    /// The port; nothing stands for the scheme's own.
    pub port: Option<u16>,
}

/// Not `host` or `host:port`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a host with an optional port")]
pub struct InvalidAuthority;

/// The authority of one request, borrowed from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host[:port]`. User information, white space and anything beyond ASCII have no place here.
    ///
    /// # Errors
    ///
    /// [`InvalidAuthority`] for everything else.
    pub fn parse(text: &'a str) -> Result<Self, InvalidAuthority> {
        let port_from = match text.rfind(']') {
            Some(bracket) => bracket + 1,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at(port_from);
        if !is_host(host) {
            return Err(InvalidAuthority);
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return Err(InvalidAuthority),
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| InvalidAuthority)?)
            }
            Some(_) => return Err(InvalidAuthority),
        };
        Ok(Self { host, port })
    }

    /// The host as it was written.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The port, if one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The same host at another port.
    pub fn at_port(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// Whether both name the same host and port, the host without regard to case.
    pub fn agrees_with(&self, other: &Authority<'_>) -> bool {
        self.host.eq_ignore_ascii_case(other.host) && self.port == other.port
    }
}

impl HostPattern {
    /// Reads `host[:port]` as a configuration writes it.
    ///
    /// # Errors
    ///
    /// [`InvalidAuthority`] for everything else.
    pub fn parse(text: &str) -> Result<Self, InvalidAuthority> {
        let authority = Authority::parse(text)?;
        Ok(Self { host: authority.host.to_ascii_lowercase(), port: authority.port })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(formatter, "{}:{port}", self.host),
            None => formatter.write_str(&self.host),
        }
    }
}

/// What a name is made of.
const IN_NAME: [bool; 256] = {
    let mut is_in = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        is_in[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_');
        byte += 1;
    }
    is_in
};

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(literal) => {
            let address = literal.strip_suffix(']').unwrap_or("");
            !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        None => !text.is_empty() && text.bytes().fold(true, |all, byte| all & IN_NAME[usize::from(byte)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_host_and_port() {
        let read = |text| Authority::parse(text).map(|authority| (authority.host(), authority.port()));
        assert_eq!(read("api.example.com"), Ok(("api.example.com", None)));
        assert_eq!(read("api.example.com:8443"), Ok(("api.example.com", Some(8443))));
        assert_eq!(read("[::1]:80"), Ok(("[::1]", Some(80))));
        for text in ["", ":80", "a:", "a:b", "a:99999", "a b", "u@a", "[::1", "[]", "a/b", "a:1:2", "a,b", "\u{e9}"] {
            assert_eq!(read(text), Err(InvalidAuthority), "{text}");
        }
    }

    #[test]
    fn agreement_ignores_case_but_not_the_port() {
        let parse = |text| Authority::parse(text).unwrap();
        assert!(parse("A.example").agrees_with(&parse("a.EXAMPLE")));
        assert!(!parse("a.example").agrees_with(&parse("a.example:80")));
    }
}
