//! What a client asks of the token endpoint (RFC 6749 §4.1.3, §4.4.2 and §6, RFC 8693 §2.1): a closed list of grants, each
//! with all that it needs.
//!
//! Who the client is, is not part of it. Unknown parameters count for nothing.

use std::collections::BTreeSet;
use std::fmt;

use super::{CodeRequest, Form, RefreshRequest, Refusal, Wanted};
use crate::config::GrantType;
use crate::oauth::Scope;

/// The most scopes that one request may ask for.
const MAX_SCOPES: usize = 128;

/// A token request, well-formed and not judged yet.
#[derive(Debug, Eq, PartialEq)]
pub enum TokenRequest<'f> {
    /// What a user granted, for the code that came of it.
    AuthorizationCode(CodeRequest),
    /// More of it.
    RefreshToken(RefreshRequest),
    /// The client's own rights.
    ClientCredentials(Wanted),
    /// Another token instead of one that the client holds.
    TokenExchange {
        /// What it is to be exchanged for; names come as `resource` or as `audience`.
        wanted: Wanted,
        /// The token to exchange.
        subject: PresentedToken<'f>,
        /// A token that says who acts.
        actor: Option<PresentedToken<'f>>,
        /// What the answer calls the token that it brings.
        requested: TokenType,
    },
}

/// A token inside a request. It never shows itself.
#[derive(Eq, PartialEq)]
pub struct PresentedToken<'f> {
    /// Its text, where the form has it.
    pub compact: &'f str,
}

impl fmt::Debug for PresentedToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PresentedToken(…)")
    }
}

/// The kinds of token that can be exchanged (RFC 8693 §3). Ours are both.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TokenType {
    /// An access token.
    AccessToken,
    /// A JWT; it must be an access token all the same.
    Jwt,
}

impl TokenType {
    /// The URI that names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let known = [Self::AccessToken, Self::Jwt].into_iter().find(|kind| kind.as_str() == text);
        known.ok_or(Refusal::TokenTypeUnsupported)
    }
}

impl<'f> TokenRequest<'f> {
    /// Reads a request from its form.
    ///
    /// # Errors
    ///
    /// [`Refusal::ParameterMissing`], [`Refusal::GrantTypeUnknown`], [`Refusal::ScopeMalformed`],
    /// [`Refusal::VerifierMalformed`], [`Refusal::ActorIncomplete`] or [`Refusal::TokenTypeUnsupported`].
    pub fn read(form: &'f Form<'_>) -> Result<Self, Refusal> {
        match grant_type(form)? {
            GrantType::AuthorizationCode => CodeRequest::read(form).map(Self::AuthorizationCode),
            GrantType::RefreshToken => RefreshRequest::read(form).map(Self::RefreshToken),
            GrantType::ClientCredentials => Ok(Self::ClientCredentials(wanted(form, form.all("resource"))?)),
            GrantType::TokenExchange => Self::exchange(form),
        }
    }

    fn exchange(form: &'f Form<'_>) -> Result<Self, Refusal> {
        let subject = presented(form, "subject_token", "subject_token_type")?;
        let actor = match (form.one("actor_token"), form.one("actor_token_type")) {
            (None, None) => None,
            (Some(_), Some(_)) => Some(presented(form, "actor_token", "actor_token_type")?),
            (Some(_), None) | (None, Some(_)) => return Err(Refusal::ActorIncomplete),
        };
        let requested = form.one("requested_token_type").map_or(Ok(TokenType::AccessToken), TokenType::parse)?;
        let wanted = wanted(form, form.all("resource").chain(form.all("audience")))?;
        Ok(Self::TokenExchange { wanted, subject, actor, requested })
    }
}

/// The grant that a form names.
///
/// # Errors
///
/// [`Refusal::ParameterMissing`] or [`Refusal::GrantTypeUnknown`].
pub fn grant_type(form: &Form) -> Result<GrantType, Refusal> {
    let name = form.one("grant_type").ok_or(Refusal::ParameterMissing)?;
    GrantType::ALL.into_iter().find(|grant| grant.as_str() == name).ok_or(Refusal::GrantTypeUnknown)
}

/// The target and the scopes that a form asks for.
pub(super) fn wanted<'f>(form: &Form, names: impl Iterator<Item = &'f str>) -> Result<Wanted, Refusal> {
    let scopes = form.one("scope").map(scopes).transpose()?;
    Ok(Wanted { names: names.map(str::to_owned).collect(), scopes })
}

fn presented<'f>(form: &'f Form<'_>, token: &str, kind: &str) -> Result<PresentedToken<'f>, Refusal> {
    let compact = form.one(token).ok_or(Refusal::ParameterMissing)?;
    // Both kinds are one, so it counts only that it is no other.
    TokenType::parse(form.one(kind).ok_or(Refusal::ParameterMissing)?)?;
    Ok(PresentedToken { compact })
}

/// Words with one space between them (RFC 6749 §3.3).
pub(super) fn scopes(text: &str) -> Result<BTreeSet<Scope>, Refusal> {
    let scopes: Result<BTreeSet<_>, _> = text.split(' ').map(Scope::parse).collect();
    scopes.ok().filter(|scopes| scopes.len() <= MAX_SCOPES).ok_or(Refusal::ScopeMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=hunter2\
        &subject_token_type=urn:ietf:params:oauth:token-type:access_token&resource=https://a.example";

    /// A request leans on its form, and that on its body: here both last.
    fn read(body: &str) -> Result<TokenRequest<'static>, Refusal> {
        let body: &'static str = body.to_owned().leak();
        TokenRequest::read(Box::leak(Box::new(Form::parse(body.as_bytes(), 8 << 10)?)))
    }

    #[test]
    fn reads_what_a_client_asks_for_itself() {
        let request = read("grant_type=client_credentials&resource=urn:a&scope=read+write+read&audience=x&new=y");
        let scopes = ["read", "write"].map(|scope| Scope::parse(scope).unwrap());
        let wanted = Wanted { names: vec!["urn:a".into()], scopes: Some(scopes.into()) };
        assert_eq!(request, Ok(TokenRequest::ClientCredentials(wanted)));
        let nothing = Wanted { names: Vec::new(), scopes: None };
        let empty = read("grant_type=client_credentials&resource=&scope=");
        assert_eq!(empty, Ok(TokenRequest::ClientCredentials(nothing)));
    }

    #[test]
    fn reads_an_exchange() {
        let Ok(TokenRequest::TokenExchange { wanted, subject, actor: None, requested }) = read(EXCHANGE) else {
            panic!("a plain exchange is one")
        };
        assert_eq!(wanted, Wanted { names: vec!["https://a.example".into()], scopes: None });
        assert!(subject.compact == "hunter2");
        assert_eq!(requested, TokenType::AccessToken);
        let with_actor = "&actor_token=a&actor_token_type=urn:ietf:params:oauth:token-type:jwt&audience=b";
        let Ok(TokenRequest::TokenExchange { wanted, actor: Some(actor), .. }) = read(&[EXCHANGE, with_actor].concat())
        else {
            panic!("an actor may come along")
        };
        assert!(actor.compact == "a");
        assert_eq!(wanted.names.len(), 2);
    }

    #[test]
    fn an_exchange_needs_its_subject_and_whole_actors() {
        let without = |name: &str| {
            let pieces = EXCHANGE.split('&').filter(|piece| !piece.starts_with(&format!("{name}=")));
            read(&pieces.collect::<Vec<_>>().join("&")).unwrap_err()
        };
        assert_eq!(without("grant_type"), Refusal::ParameterMissing);
        assert_eq!(without("subject_token"), Refusal::ParameterMissing);
        assert_eq!(without("subject_token_type"), Refusal::ParameterMissing);
        let with = |more: &str| read(&format!("{EXCHANGE}&{more}")).unwrap_err();
        assert_eq!(with("actor_token=a"), Refusal::ActorIncomplete);
        assert_eq!(with("actor_token_type=urn:ietf:params:oauth:token-type:jwt"), Refusal::ActorIncomplete);
        for kind in ["refresh_token", "id_token", "saml2", "Access_Token"] {
            let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
            assert_eq!(with(&format!("requested_token_type={kind}")), Refusal::TokenTypeUnsupported);
            assert_eq!(with(&format!("actor_token=a&actor_token_type={kind}")), Refusal::TokenTypeUnsupported);
        }
    }

    #[test]
    fn reads_what_a_user_granted() {
        let code =
            "grant_type=authorization_code&code=hunter2&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let Ok(TokenRequest::AuthorizationCode(request)) = read(&format!("{code}&resource=urn:a")) else {
            panic!("a code is one")
        };
        assert!(request.code.matches(b"hunter2") && request.redirect_uri.is_none());
        assert_eq!(request.wanted.names, ["urn:a"]);
        let Ok(TokenRequest::RefreshToken(request)) = read("grant_type=refresh_token&refresh_token=hunter2&scope=a")
        else {
            panic!("a refresh token is one")
        };
        assert!(request.refresh_token.matches(b"hunter2") && request.wanted.scopes.is_some());
        assert_eq!(read("grant_type=authorization_code&code=a"), Err(Refusal::ParameterMissing));
        assert_eq!(read(&format!("{code}%20")), Err(Refusal::VerifierMalformed));
        assert_eq!(read("grant_type=refresh_token"), Err(Refusal::ParameterMissing));
    }

    #[test]
    fn other_grants_are_not_offered() {
        for grant in ["token-exchange", "password", "Client_Credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"]
        {
            assert_eq!(read(&format!("grant_type={grant}")), Err(Refusal::GrantTypeUnknown), "{grant}");
        }
        assert_eq!(read("grant_type="), Err(Refusal::ParameterMissing));
    }

    #[test]
    fn scopes_are_words_with_one_space_between() {
        for scope in ["a++b", "+a", "a+", "+", "%22", "a%5Cb", "a%09b", "%C3%A9"] {
            let request = read(&format!("grant_type=client_credentials&scope={scope}"));
            assert_eq!(request, Err(Refusal::ScopeMalformed), "{scope}");
        }
        let many = |count: usize| (0..count).map(|at| format!("s{at}")).collect::<Vec<_>>().join("+");
        let ask = |count| read(&format!("grant_type=client_credentials&scope={}", many(count)));
        assert!(ask(MAX_SCOPES).is_ok());
        assert_eq!(ask(MAX_SCOPES + 1), Err(Refusal::ScopeMalformed));
    }

    #[test]
    fn shows_no_token() {
        assert!(!format!("{:?}", read(EXCHANGE)).contains("hunter2"));
    }
}
