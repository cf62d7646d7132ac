//! What a client says that asks users: its name, where answers go, and whether users are asked at all.
//!
//! Every one of these keys does something with the grant `authorization_code` alone, and is a fault without it.

use std::collections::HashSet;

use super::super::fault::{FaultKind, Place};
use super::super::model::{Consent, GrantType};
use super::super::read::{Reader, Section};
use super::super::yaml::{Key, Node};
use crate::oauth::{InvalidRedirectUri, RedirectUri};

/// The most places for answers.
const MAX_REDIRECT_URIS: usize = 32;

/// Keys that have no meaning where no user is asked.
pub(in crate::config) const ONLY_WITH_CODE: [&str; 3] =
    ["redirect_uris", "consent", "require_pushed_authorization_requests"];

/// What a client says about users.
#[derive(Default)]
pub(super) struct ForUsers {
    pub(super) name: Option<String>,
    pub(super) redirect_uris: Vec<RedirectUri>,
    pub(super) consent: Consent,
    pub(super) require_pushed_authorization_requests: bool,
}

/// Reads `name`, `redirect_uris`, `consent` and `require_pushed_authorization_requests`.
pub(super) fn for_users(reader: &mut Reader, section: &mut Section<'_>) -> ForUsers {
    let words = [("ask", Consent::Ask), ("never", Consent::Never)];
    ForUsers {
        name: section.optional(reader, "name", Reader::label),
        redirect_uris: section.optional(reader, "redirect_uris", redirect_uris).unwrap_or_default(),
        consent: section
            .optional(reader, "consent", |reader, node| reader.choice(node, "way to ask users", &words))
            .unwrap_or_default(),
        require_pushed_authorization_requests: section
            .optional(reader, "require_pushed_authorization_requests", Reader::boolean)
            .unwrap_or(false),
    }
}

fn redirect_uris(reader: &mut Reader, node: &Node) -> Option<Vec<RedirectUri>> {
    let before = reader.log.errors();
    let mut seen = HashSet::new();
    let uris = reader.one_or_many(node, |reader, item| {
        let uri = redirect_uri(reader, item)?;
        if !seen.insert(uri.clone()) {
            reader.repeated(item);
            return None;
        }
        Some(uri)
    })?;
    if uris.len() > MAX_REDIRECT_URIS {
        let message = format!("there are more than {MAX_REDIRECT_URIS} redirect URIs");
        reader.log.error(node.owner, message, "each one is a place where codes may be stolen; keep those in use");
    } else if uris.is_empty() && reader.log.errors() == before {
        let hint = "name where the client takes answers, like `https://app.example.com/callback`";
        reader.log.error(node.owner, "`redirect_uris` is an empty list", hint);
    }
    Some(uris)
}

fn redirect_uri(reader: &mut Reader, node: &Node) -> Option<RedirectUri> {
    let text = reader.string(node)?;
    let why = match RedirectUri::parse(&text) {
        Ok(uri) => return Some(uri),
        Err(why) => why,
    };
    let hint = match why {
        InvalidRedirectUri::TooLong => "no client needs that much; what it must remember belongs into `state`",
        InvalidRedirectUri::Character => "encode it (`%20` for a space); there are no wildcards",
        InvalidRedirectUri::NotAbsolute => "write it whole, like `https://app.example.com/callback`",
        InvalidRedirectUri::Fragment => "take `#` and what follows out: a code comes in the query",
        InvalidRedirectUri::UserInformation => "take `user@` out",
        InvalidRedirectUri::Insecure => {
            "use `https`; plain `http` is for programs on the user's machine, like `http://127.0.0.1/callback`"
        }
        InvalidRedirectUri::Scheme => {
            "use `https`, or a reverse domain name of yours, like `com.example.app:/callback`, in lower case"
        }
        InvalidRedirectUri::AnswersParameter => "take `code`, `state`, `iss` and `error…` out of its query",
    };
    // What stands before an `@` may be a password.
    let shown = match text.contains('@') {
        true => "this redirect URI".into(),
        false => format!("`{}`", reader.scalar(node)?.shown()),
    };
    let why = why.to_string();
    let verb = if why.starts_with("not ") || why.starts_with("longer ") { "is " } else { "" };
    reader.log.error(node.place, format!("{shown} {verb}{why}"), hint);
    None
}

/// What the client has, as far as its grants need it; what has faults of its own is there.
pub(super) struct Means<'g> {
    pub(super) grants: &'g [(GrantType, Place)],
    pub(super) has_rows: bool,
    /// Whether users can log in.
    pub(super) has_login: bool,
    pub(super) is_public: bool,
}

impl Means<'_> {
    fn has(&self, grant: GrantType) -> bool {
        self.grants.iter().any(|(known, _)| *known == grant)
    }
}

/// Refuses what no user could ever be asked for, and what is said about users who are never asked.
pub(super) fn check(reader: &mut Reader, section: &mut Section<'_>, key: &Key, means: &Means<'_>) {
    let has_redirects = section.get("redirect_uris").is_some();
    for (grant, place) in means.grants {
        let (why, hint) = match grant {
            GrantType::AuthorizationCode if !means.has_login => {
                ("users cannot log in here", "say how under `login` of the issuer, or take the grant out")
            }
            GrantType::AuthorizationCode if !has_redirects => (
                "the client has no `redirect_uris`",
                "list where it takes answers, like `https://app.example.com/callback`",
            ),
            GrantType::AuthorizationCode if !means.has_rows => (
                "the client may have no token",
                "list under `resources` what users may grant to it, or take the grant out",
            ),
            GrantType::RefreshToken if !means.has(GrantType::AuthorizationCode) => (
                "there is nothing to refresh without `authorization_code`",
                "add that to `grants`, or take this one out",
            ),
            GrantType::AuthorizationCode
            | GrantType::RefreshToken
            | GrantType::ClientCredentials
            | GrantType::TokenExchange => continue,
        };
        reader.log.error(*place, format!("`{}` leads nowhere: {why}", grant.as_str()), hint);
    }
    if !means.has(GrantType::AuthorizationCode) {
        for only in ONLY_WITH_CODE {
            if let Some(node) = section.get(only) {
                let message = format!("`{only}` does nothing without the grant `authorization_code`");
                reader.log.error(node.owner, message, format!("add it to `grants`, or take `{only}` out"));
            }
        }
    } else if let Some(node) = section.get("consent").filter(|node| means.is_public && is_never(node)) {
        let message = format!("anybody can say that he is `{}`, and no user is asked", key.shown());
        let hint = "write `consent: ask`, or give the client a `secret` or `jwks`; where its redirect URI is a program's \
                    on the user's machine, users are asked all the same";
        reader.log.tell(FaultKind::ConsentSkipped, node.place, message, hint);
    }
}

fn is_never(node: &Node) -> bool {
    matches!(&node.kind, super::super::yaml::Kind::Scalar(scalar) if scalar.text == "never")
}
