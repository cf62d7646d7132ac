//! What a client wants its user to be asked (OpenID Connect Core §3.1.2.1, `prompt`).

use std::collections::BTreeSet;

use super::AuthorizationFault;

/// What the user is to be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Prompt {
    /// Nothing: what cannot be done silently is not done.
    Silent,
    /// Whatever is needed, and these all the same.
    Asking(BTreeSet<Interaction>),
}

/// What a user can be asked although it is not needed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Interaction {
    /// To log in again.
    Login,
    /// To consent again.
    Consent,
    /// Who he wants to be.
    SelectAccount,
}

impl Prompt {
    /// Reads `prompt`. Words that are not known count for nothing, but beside `none` every word is one too many.
    ///
    /// # Errors
    ///
    /// [`AuthorizationFault::PromptContradicts`].
    pub(super) fn parse(text: &str) -> Result<Self, AuthorizationFault> {
        let words: BTreeSet<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        if words.contains("none") {
            return if words.len() == 1 { Ok(Self::Silent) } else { Err(AuthorizationFault::PromptContradicts) };
        }
        let known = |word| match word {
            "login" => Some(Interaction::Login),
            "consent" => Some(Interaction::Consent),
            "select_account" => Some(Interaction::SelectAccount),
            _ => None,
        };
        Ok(Self::Asking(words.into_iter().filter_map(known).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_count_and_unknown_ones_do_not() {
        let asking = |asked: &[Interaction]| Ok(Prompt::Asking(asked.iter().copied().collect()));
        assert_eq!(Prompt::parse(""), asking(&[]));
        assert_eq!(Prompt::parse("create NONE"), asking(&[]));
        assert_eq!(Prompt::parse("login  consent login"), asking(&[Interaction::Login, Interaction::Consent]));
        assert_eq!(Prompt::parse("select_account"), asking(&[Interaction::SelectAccount]));
    }

    #[test]
    fn none_stands_alone() {
        assert_eq!(Prompt::parse("none"), Ok(Prompt::Silent));
        for text in ["none login", "consent none", "none create"] {
            assert_eq!(Prompt::parse(text), Err(AuthorizationFault::PromptContradicts), "{text}");
        }
    }
}
