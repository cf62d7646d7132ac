//! What faults and warnings are about: a closed list of words that scripts and code scanners hold on to.

use super::Severity;

/// What a fault or a warning is about. Messages may change; these words stay.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FaultKind {
    /// A value that cannot be used: the faults that have no word of their own.
    Fault,
    /// A key that has no meaning where it stands.
    UnknownKey,
    /// A key that must be there and is not.
    MissingKey,
    /// A key or a word whose meaning is fixed, but which does nothing yet.
    NotSupportedYet,
    /// No YAML, or more of YAML than a configuration may use.
    Syntax,
    /// A `${…}` that cannot be filled in.
    Interpolation,
    /// An issuer whose key files have no key that can be used.
    KeysUnusable,
    /// The warnings that have no word of their own.
    Warning,
    /// Keys that do not say which algorithm they are for, and no `algorithms`.
    AlgorithmsMissing,
    /// Whoever picks the issuer picks the audience, and nothing says who may call.
    IssuerOpen,
    /// Tokens that nobody can verify.
    IssuerUnverifiable,
    /// No resource lets the issuer vouch.
    IssuerUnused,
    /// Keys that are not found by discovery, so that a move of theirs goes unnoticed.
    KeysPinned,
    /// Something is trusted or sent without TLS.
    Plaintext,
    /// No request can pass, or no client can find the resource.
    ResourceUnreachable,
    /// Two names that are one to a careless reader.
    NearMiss,
    /// A scope that no token can carry.
    ScopeUnattainable,
    /// A rule that says what another one says already.
    RuleNeedless,
    /// An audience that has no effect.
    AudienceNeedless,
    /// A token lives longer than is wise.
    LifetimeLong,
    /// A secret of a client that is shorter than it should be.
    SecretShort,
    /// A client that can do nothing, or part of one that does nothing.
    ClientNeedless,
    /// What was revoked is forgotten at a restart.
    StateForgotten,
    /// Tokens for any subject can be had without a login.
    DevelopmentTokens,
    /// Users log in with passwords that the configuration holds.
    LocalUsers,
    /// Whoever says that he is a client gets what is a user's, and the user is not asked.
    ConsentSkipped,
}

impl FaultKind {
    /// All of them, in the order in which scanners list them.
    pub const ALL: [Self; 26] = [
        Self::Fault,
        Self::UnknownKey,
        Self::MissingKey,
        Self::NotSupportedYet,
        Self::Syntax,
        Self::Interpolation,
        Self::KeysUnusable,
        Self::Warning,
        Self::AlgorithmsMissing,
        Self::IssuerOpen,
        Self::IssuerUnverifiable,
        Self::IssuerUnused,
        Self::KeysPinned,
        Self::Plaintext,
        Self::ResourceUnreachable,
        Self::NearMiss,
        Self::ScopeUnattainable,
        Self::RuleNeedless,
        Self::AudienceNeedless,
        Self::LifetimeLong,
        Self::SecretShort,
        Self::ClientNeedless,
        Self::StateForgotten,
        Self::DevelopmentTokens,
        Self::LocalUsers,
        Self::ConsentSkipped,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::UnknownKey => "unknown-key",
            Self::MissingKey => "missing-key",
            Self::NotSupportedYet => "not-supported-yet",
            Self::Syntax => "syntax",
            Self::Interpolation => "interpolation",
            Self::KeysUnusable => "keys-unusable",
            Self::Warning => "warning",
            Self::AlgorithmsMissing => "algorithms-missing",
            Self::IssuerOpen => "issuer-open",
            Self::IssuerUnverifiable => "issuer-unverifiable",
            Self::IssuerUnused => "issuer-unused",
            Self::KeysPinned => "keys-pinned",
            Self::Plaintext => "plaintext",
            Self::ResourceUnreachable => "resource-unreachable",
            Self::NearMiss => "near-miss",
            Self::ScopeUnattainable => "scope-unattainable",
            Self::RuleNeedless => "rule-needless",
            Self::AudienceNeedless => "audience-needless",
            Self::LifetimeLong => "lifetime-long",
            Self::SecretShort => "secret-short",
            Self::ClientNeedless => "client-needless",
            Self::StateForgotten => "state-forgotten",
            Self::DevelopmentTokens => "development-tokens",
            Self::LocalUsers => "local-users",
            Self::ConsentSkipped => "consent-skipped",
        }
    }

    /// What it means, in one sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Fault => "The configuration holds something that cannot be used.",
            Self::UnknownKey => "A key has no meaning where it stands.",
            Self::MissingKey => "A key must be there and is not.",
            Self::NotSupportedYet => "A key or a word does nothing yet.",
            Self::Syntax => "The file is no YAML, or uses more of YAML than a configuration may.",
            Self::Interpolation => "A variable or a file cannot be filled in.",
            Self::KeysUnusable => "An issuer has no key that can be used, so none of its tokens can be verified.",
            Self::Warning => "Something loads and is likely not meant or not wise.",
            Self::AlgorithmsMissing => "The keys of an issuer do not say which algorithm they are for.",
            Self::IssuerOpen => "Anybody may ask an issuer for a token with any audience.",
            Self::IssuerUnverifiable => "Nobody can verify the access tokens of an issuer.",
            Self::IssuerUnused => "No resource accepts the tokens of a trusted issuer.",
            Self::KeysPinned => "The place of an issuer's keys is fixed and does not move with the issuer.",
            Self::Plaintext => "Keys are fetched, or tokens are sent, without TLS.",
            Self::ResourceUnreachable => "No client can get to a resource.",
            Self::NearMiss => "Two names differ by so little that one is likely a typing error.",
            Self::ScopeUnattainable => "A scope is asked for that no token can carry.",
            Self::RuleNeedless => "A rule says what another one says already.",
            Self::AudienceNeedless => "An audience has no effect where it stands.",
            Self::LifetimeLong => "Access tokens live so long that a stolen one is worth much.",
            Self::SecretShort => "The secret of a client is shorter than it should be.",
            Self::ClientNeedless => "A client can do nothing, or part of what it may do leads nowhere.",
            Self::StateForgotten => "What was revoked is forgotten when the program restarts.",
            Self::DevelopmentTokens => "Tokens for any subject can be made without a login.",
            Self::LocalUsers => "Users log in with passwords that the configuration holds.",
            Self::ConsentSkipped => "Anybody can say that he is a client for which users are not asked.",
        }
    }

    /// Whether such a configuration can be used all the same.
    pub fn severity(self) -> Severity {
        if self < Self::Warning { Severity::Error } else { Severity::Warning }
    }
}
