//! The commands of the demo: each one a request, and the answer that it gets.
//!
//! A command is one line that works as it is pasted, without a variable. What stands around it is a shell comment, so
//! that the whole page can be pasted too.

use std::io::IsTerminal;

use super::issuer::{DevelopmentIssuer, Grant, IssuerFault};
use super::settings::Settings;

/// One request and its answer.
struct Lesson {
    says: &'static str,
    method: &'static str,
    url: String,
    token: Option<String>,
    status: u16,
    answer: &'static str,
}

/// The page of commands.
pub(super) fn page(settings: &Settings, issuer: &DevelopmentIssuer) -> Result<String, IssuerFault> {
    let paint = Paint { wanted: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    let lessons = lessons(settings, issuer)?;
    let mut page: String = lessons.iter().map(|lesson| lesson.lines(&paint)).collect();
    let refused = lessons.iter().find_map(|lesson| {
        let token = lesson.token.as_ref().filter(|_| lesson.status == 401)?;
        let explain = format!("narrowgate explain {} {}", lesson.method, lesson.url);
        Some(format!("#   printf %s '{token}' | {explain} -c {}", settings.file().display()))
    });
    page.push_str(&paint.dim("# Why was the token for the other API refused? The gateway explains itself:\n"));
    page.push_str(&paint.dim(&format!("{}\n", refused.unwrap_or_default())));
    Ok(page)
}

fn lessons(settings: &Settings, issuer: &DevelopmentIssuer) -> Result<Vec<Lesson>, IssuerFault> {
    let (api1, api2) = (settings.resource("api1"), settings.resource("api2"));
    let mint = |audiences: &[&str], scope| issuer.mint(&Grant { audiences, scope });
    let reading = mint(&[&api1], "read")?;
    let approving = mint(&[&api1], "read write transaction:7")?;
    let lesson = |says, method, url, token, status, answer| Lesson { says, method, url, token, status, answer };
    Ok(vec![
        lesson(
            "The right token: minted for api1, sent to api1",
            "GET",
            format!("{api1}/documents"),
            Some(reading.clone()),
            200,
            "the API sees X-User and X-Client, and no Authorization",
        ),
        lesson(
            "A good token, but minted for api2: it opens nothing else",
            "GET",
            format!("{api1}/documents"),
            Some(mint(&[&api2], "reports")?),
            401,
            "audience_mismatch; the challenge says what to ask for",
        ),
        lesson(
            "One token for both: whoever got it could use it at the other one",
            "GET",
            format!("{api1}/documents"),
            Some(mint(&[&api1, &api2], "read reports")?),
            401,
            "audience_too_broad",
        ),
        lesson(
            "No token",
            "GET",
            format!("{api1}/documents"),
            None,
            401,
            "credential_missing; a challenge without error",
        ),
        lesson(
            "The right token with too small a scope: writing needs `write`",
            "POST",
            format!("{api1}/documents"),
            Some(reading),
            403,
            "scope_insufficient",
        ),
        lesson(
            "A scope with a value in it: `transaction:7` approves transaction 7",
            "POST",
            format!("{api1}/transactions/7"),
            Some(approving.clone()),
            200,
            "approved",
        ),
        lesson(
            "The same token approves no other transaction",
            "POST",
            format!("{api1}/transactions/8"),
            Some(approving),
            403,
            "scope_insufficient; it needs transaction:8",
        ),
        lesson(
            "How clients find out: the metadata of api1 (RFC 9728)",
            "GET",
            format!("{}/.well-known/oauth-protected-resource/api1", settings.origin()),
            None,
            200,
            "the issuer and the scopes of api1",
        ),
        lesson("A public path", "GET", format!("{api1}/healthz"), None, 200, "no token is needed"),
    ])
}

impl Lesson {
    fn lines(&self, paint: &Paint) -> String {
        let method = match self.method {
            "GET" => String::new(),
            method => format!("-X {method} "),
        };
        let token = self.token.as_ref().map_or(String::new(), |token| format!("-H 'Authorization: Bearer {token}' "));
        let says = paint.dim(&format!("# {}", self.says));
        let answer = paint.verdict(self.status, &format!("# → {} {}", self.status, self.answer));
        format!("{says}\ncurl -si {method}{token}{}\n{answer}\n\n", self.url)
    }
}

/// Colour, where a person reads on a terminal and has not asked for none.
struct Paint {
    wanted: bool,
}

impl Paint {
    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn verdict(&self, status: u16, text: &str) -> String {
        self.paint(if status < 400 { "32" } else { "31" }, text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.wanted {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
