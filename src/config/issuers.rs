//! `trusted_issuers`: whose access tokens may be accepted, and how they are read.

use std::borrow::Cow;
use std::time::Duration;

use super::claims;
use super::fault::Place;
use super::keys;
use super::model::{ClaimNames, IssuerId, SubjectForm, TokenProfile, TrustedIssuer};
use super::read::Reader;
use super::yaml::{Key, Node};
use crate::oauth::{Algorithm, IssuerName};

/// Bounds: short ones serve tests and issuers next door, long ones are still within a day.
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The most issuers.
const MAX_ISSUERS: usize = 1000;

/// The issuers of the file, in its order; one with faults keeps its place, so that its name stays known.
#[derive(Default)]
pub(super) struct Issuers(pub(super) Vec<WrittenIssuer>);

/// An issuer, and what only the checks need to know.
pub(super) struct WrittenIssuer {
    pub(super) name: String,
    /// Where its name stands.
    pub(super) place: Place,
    /// Where it says where its keys are, if not at its name.
    pub(super) keys_place: Option<Place>,
    /// The values of `iss`, with their places.
    pub(super) written: Vec<(String, Place)>,
    /// Where `subjects: plain` stands.
    pub(super) plain_subjects: Option<Place>,
    /// Whether the file lists the algorithms.
    pub(super) algorithms_listed: bool,
    /// Nothing if it has faults.
    pub(super) issuer: Option<TrustedIssuer>,
}

impl Issuers {
    pub(super) fn find(&self, name: &str) -> Option<IssuerId> {
        self.0.iter().position(|written| written.name == name).map(IssuerId)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|written| written.name.as_str())
    }

    /// The issuer's own claims, or the usual ones where it has faults.
    pub(super) fn claims(&self, id: IssuerId) -> Cow<'_, ClaimNames> {
        let issuer = self.0.get(id.0).and_then(|written| written.issuer.as_ref());
        issuer.map_or_else(Cow::default, |issuer| Cow::Borrowed(&issuer.claims))
    }
}

/// Reads `trusted_issuers`.
pub(super) fn issuers(reader: &mut Reader, node: &Node) -> Option<Issuers> {
    let section = reader.section(node, "`trusted_issuers`")?;
    if section.entries().len() > MAX_ISSUERS {
        let message = format!("there are more than {MAX_ISSUERS} issuers");
        reader.log.error(section.place(), message, "each may vouch at each resource; so many cannot be looked after");
        return None;
    }
    Some(Issuers(section.entries().iter().map(|(key, node)| issuer(reader, key, node)).collect()))
}

fn issuer(reader: &mut Reader, key: &Key, node: &Node) -> WrittenIssuer {
    let mut written = WrittenIssuer {
        name: key.text.clone(),
        place: key.place,
        keys_place: None,
        written: Vec::new(),
        plain_subjects: None,
        algorithms_listed: false,
        issuer: None,
    };
    let name = name(reader, key);
    written.issuer = content(reader, name, node, &mut written);
    written
}

fn name(reader: &mut Reader, key: &Key) -> Option<IssuerName> {
    if key.text == "own" {
        reader.log.error(key.place, "`own` is the name of our own issuer", "call this one something else");
        return None;
    }
    match IssuerName::parse(&key.text) {
        Ok(name) => Some(name),
        Err(why) => {
            let hint = "the name is a label and the prefix of subjects, like `corp` or `entra-v1`";
            reader.log.error(key.place, format!("`{}` cannot name an issuer: {why}", key.shown()), hint);
            None
        }
    }
}

fn content(
    reader: &mut Reader,
    name: Option<IssuerName>,
    node: &Node,
    written: &mut WrittenIssuer,
) -> Option<TrustedIssuer> {
    let title = format!("the issuer `{}`", written.name);
    let mut section = reader.section(node, title)?;
    let insecure_http = section.optional(reader, "insecure_http", Reader::boolean).unwrap_or(false);
    let keys = keys::source(reader, &mut section, insecure_http, &mut written.written);
    written.keys_place = section.get("jwks").or(section.get("discovery")).map(|node| node.owner);
    let fetch_token = section.optional(reader, "fetch_token", Reader::secret);
    let algorithms = section.optional(reader, "algorithms", |reader, node| {
        written.algorithms_listed = true;
        algorithms(reader, node)
    });
    let usual = ClaimNames::default();
    let claims = section.optional(reader, "claims", |reader, node| claims::claims(reader, node, &usual));
    let token_type = section.optional(reader, "token_type", token_type);
    let allow_nonce = section.optional(reader, "allow_nonce", Reader::boolean);
    let exchange_audiences = section.optional(reader, "exchange_audiences", Reader::strings);
    let ignore_audiences = section.optional(reader, "ignore_audiences", Reader::strings);
    let require = section.optional(reader, "require", claims::require);
    let subjects = section.optional(reader, "subjects", |reader, node| {
        let words = [("qualified", SubjectForm::Qualified), ("plain", SubjectForm::Plain)];
        let form = reader.choice(node, "form of subjects", &words)?;
        written.plain_subjects = (form == SubjectForm::Plain).then_some(node.owner);
        Some(form)
    });
    let refresh = section.optional(reader, "refresh", |reader, node| reader.duration(node, SECOND..=DAY));
    let refetch_after = section.optional(reader, "refetch_after", |reader, node| reader.duration(node, SECOND..=HOUR));
    let max_stale =
        section.optional(reader, "max_stale", |reader, node| reader.duration(node, Duration::ZERO..=30 * DAY));
    section.finish(reader);
    Some(TrustedIssuer {
        name: name?,
        issuers: written.written.iter().map(|(text, _)| text.clone()).collect(),
        keys: keys?,
        fetch_token,
        algorithms: algorithms.unwrap_or_else(|| Algorithm::ALL.to_vec()),
        claims: claims.unwrap_or_default(),
        token_type: token_type.unwrap_or(TokenProfile::Any),
        allow_nonce: allow_nonce.unwrap_or(false),
        exchange_audiences: exchange_audiences.unwrap_or_default(),
        ignore_audiences: ignore_audiences.unwrap_or_default(),
        require: require.unwrap_or_default(),
        subjects: subjects.unwrap_or(SubjectForm::Qualified),
        refresh: refresh.unwrap_or(Duration::from_secs(600)),
        refetch_after: refetch_after.unwrap_or(Duration::from_secs(30)),
        max_stale: max_stale.unwrap_or(DAY),
    })
}

fn algorithms(reader: &mut Reader, node: &Node) -> Option<Vec<Algorithm>> {
    let before = reader.log.errors();
    let mut seen = Vec::new();
    let algorithms = reader.one_or_many(node, |reader, item| {
        let algorithm = algorithm(reader, item)?;
        if seen.contains(&algorithm) {
            reader.repeated(item);
            return None;
        }
        seen.push(algorithm);
        Some(algorithm)
    })?;
    if algorithms.is_empty() && reader.log.errors() == before {
        let hint = "name those that the issuer signs with, like `[RS256]`, or leave the key out";
        reader.log.error(node.owner, "no algorithm is listed, so no token could be verified", hint);
    }
    Some(algorithms)
}

/// One algorithm; the message for a secret one says why there is none.
fn algorithm(reader: &mut Reader, node: &Node) -> Option<Algorithm> {
    let scalar = reader.scalar(node)?;
    if let Ok(algorithm) = scalar.text.parse() {
        return Some(algorithm);
    }
    let (message, hint) = match no_signature(&scalar.text) {
        Some((why, hint)) => (why, hint.to_owned()),
        None => {
            let known = Algorithm::ALL.map(Algorithm::as_str);
            ("is no algorithm that this gateway verifies", reader.suggest(&scalar.text, known))
        }
    };
    reader.log.error(node.place, format!("`{}` {message}", scalar.shown()), hint);
    None
}

/// Why a name stands for no signature that only its issuer can make, and what to do, if it is one of those.
pub(super) fn no_signature(name: &str) -> Option<(&'static str, &'static str)> {
    let folded = name.to_ascii_uppercase();
    if folded == "NONE" {
        return Some(("is no signature at all", "have the issuer sign, with `RS256` or `ES256`"));
    }
    let why = "is an HMAC: whoever can check such a token can forge one";
    folded.starts_with("HS").then_some((why, "sign with `RS256` or `ES256` instead"))
}

fn token_type(reader: &mut Reader, node: &Node) -> Option<TokenProfile> {
    let scalar = reader.scalar(node)?;
    if scalar.text == "at+jwt" {
        return Some(TokenProfile::AtJwt);
    }
    let message = format!("`{}` is no token type that can be demanded", scalar.shown());
    let hint = "write `at+jwt` for issuers that follow RFC 9068 in full, or leave the key out for all others";
    reader.log.error(node.place, message, hint);
    None
}
