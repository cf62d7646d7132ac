//! The request line, judged byte by byte before Pingora sees it (RFC 9112 §3).
//!
//! Pingora repairs what it cannot parse: a blank in a target becomes `%20`, a NUL `%00`, a second `HTTP/1.1` part of the
//! path, and a fragment nothing. Afterwards nobody can tell it from what a client may say, so it is noted here.

/// Reads a request line as it arrives: method, target and version, one blank between them, nothing but visible ASCII.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestLine {
    blanks: u8,
    begun: bool,
    after_return: bool,
    state: LineState,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum LineState {
    /// Not at its end yet, and nothing to say against it.
    #[default]
    Open,
    /// At its end, and as RFC 9112 §3 wants it.
    Plain,
    /// Anything else: Pingora would repair it.
    Odd,
}

impl RequestLine {
    /// Reads on; says where the line stands.
    pub(super) fn read(&mut self, bytes: &[u8]) -> LineState {
        for &byte in bytes {
            if self.state != LineState::Open {
                break;
            }
            match byte {
                b'\r' if !self.after_return => self.after_return = true,
                // Empty lines before a request are skipped (RFC 9112 §2.2).
                b'\n' if !self.begun => self.after_return = false,
                b'\n' => self.state = if self.blanks == 2 { LineState::Plain } else { LineState::Odd },
                _ if self.after_return => self.state = LineState::Odd,
                b' ' => {
                    self.begun = true;
                    self.blanks = self.blanks.saturating_add(1);
                }
                // No client sends a fragment; `http::Uri` would drop it in silence.
                b'#' => self.state = LineState::Odd,
                0x21..=0x7e => self.begun = true,
                _ => self.state = LineState::Odd,
            }
        }
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LineState {
        RequestLine::default().read(text.as_bytes())
    }

    #[test]
    fn a_request_line_has_two_blanks_and_visible_characters() {
        assert_eq!(line("GET / HTTP/1.1\r\n"), LineState::Plain);
        assert_eq!(line("\r\nGET / HTTP/1.1\r\n"), LineState::Plain);
        assert_eq!(line("GET /a?b=%20 HTTP/1.1\r\nX: a b c\r\n"), LineState::Plain);
        assert_eq!(line("GET / HT"), LineState::Open);
        for odd in [
            "GET /a b HTTP/1.1\r\n",
            "GET  / HTTP/1.1\r\n",
            "GET /\tHTTP/1.1\r\n",
            "GET /a#b HTTP/1.1\r\n",
            "GET /a\0 HTTP/1.1\r\n",
            "GET /\u{e9} HTTP/1.1\r\n",
            "GET /\r HTTP/1.1\r\n",
            "GET /\r\n",
        ] {
            assert_eq!(line(odd), LineState::Odd, "{odd:?}");
        }
    }

    #[test]
    fn a_request_line_may_arrive_in_pieces() {
        let mut reader = RequestLine::default();
        for piece in ["GE", "T /a", " b", " HTTP/1.1\r"] {
            assert_eq!(reader.read(piece.as_bytes()), LineState::Open, "{piece}");
        }
        assert_eq!(reader.read(b"\n"), LineState::Odd);
    }
}
