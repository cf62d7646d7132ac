//! What a user meets in a browser: from an authorization request over login and consent to a code, and the page of what was
//! granted.
//!
//! [`cookies`] are the two that his browser keeps: who has logged in there, and that it is this browser. [`kept`] are sessions
//! in the store and transactions in his hands; [`pages`] is all that is drawn. What may be asked and granted is decided in
//! [`crate::issuer`].

pub(super) mod cookies;
pub(super) mod kept;
pub(super) mod pages;
