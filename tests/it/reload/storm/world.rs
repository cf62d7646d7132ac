//! The configurations of the storm, and the one right answer of each to each request.

use super::super::{SECOND, yaml};

/// What a configuration of the storm allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct World {
    /// Whether the second API is there.
    second: bool,
    /// Whether the partner's tokens count.
    partner: bool,
    /// Whether the first API wants a further scope.
    strict: bool,
    /// Which of the two certificates is shown.
    pub certificate: usize,
}

/// Whom a request asks, and with what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The first API, with a token that has one scope.
    Small,
    /// The first API, with a token that has both.
    Large,
    /// The first API, with a token of the partner.
    Partner,
    /// The second API, with its token.
    Second,
    /// The second API, with a token for the first.
    SecondByFirst,
    /// The first API, with a token for the second.
    FirstBySecond,
    /// The first API, with a signature that is none.
    Forged,
}

pub const KINDS: [Kind; 7] =
    [Kind::Small, Kind::Large, Kind::Partner, Kind::Second, Kind::SecondByFirst, Kind::FirstBySecond, Kind::Forged];

impl World {
    /// The world of each generation; each allows something else than the one before.
    pub fn of(generation: usize) -> Self {
        // A Gray code of three bits: neighbours differ in one thing.
        let (at, certificate) = (generation % 8, generation / 3 % 2);
        let gray = at ^ (at >> 1);
        Self { second: gray & 1 != 0, partner: gray & 2 != 0, strict: gray & 4 != 0, certificate }
    }

    /// As a configuration.
    pub fn yaml(self) -> String {
        let first = match self.strict {
            true => "https://api1.example.com: { upstream: \"${API_1}\", scopes: [x, y], required_scopes: [x, y] }",
            false => "https://api1.example.com: { upstream: \"${API_1}\", scopes: [x, y], required_scopes: [x] }",
        };
        let mut resources = vec![first];
        if self.second {
            resources.push(SECOND);
        }
        let encrypted = "listen: [127.0.0.1:0, { address: 127.0.0.1:0, tls: { cert: site.pem, key: site.key } }]";
        let text = yaml(&resources).replace("listen: 127.0.0.1:0", encrypted);
        match self.partner {
            true => text.replace("resources:", "  partner: { issuer: \"${ISSUER_PARTNER}\" }\nresources:"),
            false => text,
        }
    }

    /// The status, and the reason if it is a refusal.
    pub fn verdict(self, kind: Kind) -> (u16, Option<&'static str>) {
        match kind {
            Kind::Small if self.strict => (403, Some("scope_insufficient")),
            Kind::Partner if !self.partner => (401, Some("issuer_untrusted")),
            Kind::Second | Kind::SecondByFirst if !self.second => (421, Some("host_unknown")),
            Kind::SecondByFirst | Kind::FirstBySecond => (401, Some("audience_mismatch")),
            Kind::Forged => (401, Some("signature_invalid")),
            Kind::Small | Kind::Large | Kind::Partner | Kind::Second => (200, None),
        }
    }
}
