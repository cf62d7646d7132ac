//! Whose tokens may be accepted: an issuer's keys, its names for things, and what its tokens must be.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::oauth::{Algorithm, IssuerName};
use crate::secret::Secret;

/// An issuer whose access tokens may be accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedIssuer {
    /// Its label, and the prefix of its subjects.
    pub name: IssuerName,
    /// The values of `iss` that are this issuer; at least one, compared byte for byte.
    pub issuers: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The credential for fetching them, where a cluster asks for one.
    pub fetch_token: Option<Secret>,
    /// The algorithms that its tokens may use.
    pub algorithms: Vec<Algorithm>,
    /// Where its tokens keep what this gateway reads.
    pub claims: ClaimNames,
    /// Whether every token must be an RFC 9068 one.
    pub token_type: TokenProfile,
    /// Whether a token with a `nonce` may be an access token.
    pub allow_nonce: bool,
    /// Audiences that mean "addressed to this gateway for exchange".
    pub exchange_audiences: Vec<String>,
    /// Further audiences that `broad_tokens: strict` overlooks.
    pub ignore_audiences: Vec<String>,
    /// Claims that every token must have.
    pub require: Vec<Requirement>,
    /// Whether its subjects are printed with its name.
    pub subjects: SubjectForm,
    /// How long a key set is used before it is read again; also the cap of its own `max-age`.
    pub refresh: Duration,
    /// The shortest time between two reads for an unknown `kid`.
    pub refetch_after: Duration,
    /// How long a key set serves on while the issuer cannot be reached.
    pub max_stale: Duration,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq)]
pub enum KeySource {
    /// The issuer's metadata: OpenID discovery first, then RFC 8414; the document's `issuer` must be `issuer` exactly.
    Discovery {
        /// The issuer whose well-known documents are asked.
        issuer: Url,
    },
    /// A metadata document at a place of its own.
    DiscoveryAt {
        /// The document.
        url: Url,
    },
    /// Key sets, named directly; their keys are put together.
    Jwks(Vec<JwksLocation>),
    /// This process: our own issuer hands its keys over whenever they change.
    Own,
}

/// One key set.
#[derive(Clone, Debug, PartialEq)]
pub enum JwksLocation {
    /// Fetched and kept fresh.
    Url(Url),
    /// Read when the configuration is read.
    File {
        /// The file.
        path: PathBuf,
        /// Its content.
        json: Arc<[u8]>,
    },
}

/// What a token must be to be an access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenProfile {
    /// `typ` is `at+jwt`, `JWT` or absent, and nothing marks another kind.
    Any,
    /// `typ` is `at+jwt`, with every claim that RFC 9068 §2.2 requires.
    AtJwt,
}

/// How an issuer's subjects are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubjectForm {
    /// `<issuer name>|<value>`.
    Qualified,
    /// The value alone; one issuer at most.
    Plain,
}

/// Where a token keeps what this gateway reads; of each list the first that is present counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimNames {
    /// The scopes: a string of words, an array of strings, or an object whose keys they are.
    pub scope: Vec<ClaimPath>,
    /// The client.
    pub client: Vec<ClaimPath>,
    /// The subject.
    pub subject: Vec<ClaimPath>,
    /// Foreign claims that may go into a token minted here.
    pub carry: Vec<ClaimPath>,
}

/// One claim: a member's name, or a JSON pointer (RFC 6901) if it begins with `/`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClaimPath {
    /// As it was written.
    pub text: String,
    /// The member names from the outermost inward, unescaped; at least one.
    pub steps: Vec<String>,
}

/// A claim that a token must have, with one of these values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    /// The claim.
    pub claim: ClaimPath,
    /// Its allowed values; a string, number or boolean is compared as JSON prints it, an array needs one member here.
    pub values: Vec<String>,
}
