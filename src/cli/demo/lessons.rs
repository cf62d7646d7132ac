//! The commands of the demo: each one a request, and the answer that it gets.
//!
//! A command is one line that works as it is pasted, without a variable. What stands around it is a shell comment, so
//! that the whole page can be pasted too.

use std::error::Error;
use std::io::IsTerminal;

use super::issuer::DevelopmentIssuer;
use super::settings::Settings;
use super::token_client::{API1_SERVICE, REPORTING_APP, TokenAsked};

/// One command and its answer.
struct Lesson {
    says: &'static str,
    command: String,
    status: u16,
    answer: &'static str,
}

/// The tokens that the commands show.
struct Tokens {
    /// The identity provider's, for both APIs.
    broad: String,
    /// For api1, to read.
    reading: String,
    /// For api1, with everything that the broad one carries there.
    approving: String,
    /// For api2, which api1's service got for alice.
    carried_on: String,
}

/// The page of commands. The tokens in it are asked for as any client would ask.
pub(super) async fn page(settings: &Settings, issuer: &DevelopmentIssuer) -> Result<String, Box<dyn Error>> {
    let paint = Paint { wanted: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    let endpoint = settings.token_endpoint();
    let (api1, api2) = (settings.resource("api1"), settings.resource("api2"));
    let broad = issuer.mint(&[&api1, &api2], "read write transaction:7 reports")?;
    let narrowing = TokenAsked::exchange(REPORTING_APP, &broad, &api1, Some("read"));
    let reading = narrowing.send(&endpoint).await?;
    let approving = TokenAsked::exchange(REPORTING_APP, &broad, &api1, None).send(&endpoint).await?;
    let carrying_on = TokenAsked::exchange(API1_SERVICE, &reading, &api2, None);
    let carried_on = carrying_on.send(&endpoint).await?;
    let tokens = Tokens { broad, reading, approving, carried_on };

    let mut lessons = at_the_gate(settings, &tokens);
    let exchanges = [
        (2, "Exchange it at this gateway's own issuer: out comes one for api1 alone, to read", narrowing),
        (5, "The service behind api1 calls api2 for alice: an edge of the configuration says that it may", carrying_on),
    ];
    for (at, says, asked) in exchanges {
        let answer = "a token with one audience, and no right that the other one had not";
        lessons.insert(at - 1, Lesson { says, command: asked.command(&endpoint), status: 200, answer });
    }
    lessons.push(Lesson {
        says: "A client for itself, without a user",
        command: TokenAsked::own_rights(REPORTING_APP, &api2).command(&endpoint),
        status: 200,
        answer: "a token for api2",
    });
    let browser = format!("# In a browser: {} (sign in as alice with the password demo)\n\n", settings.web_page());
    let mut page = paint.dim(&browser);
    page.extend(lessons.iter().map(|lesson| lesson.lines(&paint)));
    let explain = format!("narrowgate explain GET {api2}/reports -c {}", settings.file().display());
    page.push_str(&paint.dim("# Why was the token refused at api2? The gateway explains itself:\n"));
    page.push_str(&paint.dim(&format!("#   printf %s '{}' | {explain}\n", tokens.reading)));
    Ok(page)
}

/// The requests to the APIs, in the order in which they make sense; the exchanges stand between them.
fn at_the_gate(settings: &Settings, tokens: &Tokens) -> Vec<Lesson> {
    let (api1, api2) = (settings.resource("api1"), settings.resource("api2"));
    let documents = format!("{api1}/documents");
    let lesson = |says, method: &str, url: &str, token: Option<&str>, status, answer| {
        let method = if method == "GET" { String::new() } else { format!("-X {method} ") };
        let token = token.map_or(String::new(), |token| format!("-H 'Authorization: Bearer {token}' "));
        Lesson { says, command: format!("curl -si {method}{token}{url}"), status, answer }
    };
    let Tokens { broad, reading, approving, carried_on } = tokens;
    vec![
        lesson(
            "The identity provider's token is for both APIs: whoever got it could use it at the other one",
            "GET",
            &documents,
            Some(broad),
            401,
            "audience_too_broad",
        ),
        lesson(
            "The narrow one opens api1",
            "GET",
            &documents,
            Some(reading),
            200,
            "the API sees X-User and X-Client, and no Authorization",
        ),
        lesson(
            "It opens nothing else",
            "GET",
            &format!("{api2}/reports"),
            Some(reading),
            401,
            "audience_mismatch; the challenge says what to ask for",
        ),
        lesson(
            "The service's token opens api2, still as alice",
            "GET",
            &format!("{api2}/reports"),
            Some(carried_on),
            200,
            "the API sees alice as X-User and the service as X-Client",
        ),
        lesson(
            "The right token with too small a scope: writing needs `write`",
            "POST",
            &documents,
            Some(reading),
            403,
            "scope_insufficient",
        ),
        lesson(
            "A scope with a value in it: `transaction:7` approves transaction 7",
            "POST",
            &format!("{api1}/transactions/7"),
            Some(approving),
            200,
            "approved",
        ),
        lesson(
            "The same token approves no other transaction",
            "POST",
            &format!("{api1}/transactions/8"),
            Some(approving),
            403,
            "scope_insufficient; it needs transaction:8",
        ),
        lesson("No token", "GET", &documents, None, 401, "credential_missing; a challenge without error"),
        lesson(
            "How clients find out: the metadata of api1 (RFC 9728)",
            "GET",
            &format!("{}/.well-known/oauth-protected-resource/api1", settings.origin()),
            None,
            200,
            "the issuer and the scopes of api1",
        ),
        lesson(
            "And that of the issuer (RFC 8414)",
            "GET",
            &format!("{}/.well-known/oauth-authorization-server", settings.origin()),
            None,
            200,
            "its endpoints and what it offers",
        ),
        lesson("A public path", "GET", &format!("{api1}/healthz"), None, 200, "no token is needed"),
    ]
}

impl Lesson {
    fn lines(&self, paint: &Paint) -> String {
        let says = paint.dim(&format!("# {}", self.says));
        let answer = paint.verdict(self.status, &format!("# → {} {}", self.status, self.answer));
        format!("{says}\n{}\n{answer}\n\n", self.command)
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
