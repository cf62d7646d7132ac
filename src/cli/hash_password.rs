//! `narrowgate hash-password`: the hash of a password, for `login.users`.
//!
//! The password comes on stdin, so that it is in no history of a shell and in no list of processes. Only the hash goes to
//! stdout. Deliberately absent: knobs. What it costs is what OWASP advises, which is what the crate does by itself.

use std::io::BufRead;
use std::process::ExitCode;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::{PasswordHash, Salt};

use super::output::{print, tell};
use crate::secret::Secret;

/// The longest password, in bytes: nobody types more.
const MAX_PASSWORD: usize = 1024;

/// Print the hash of a password that stands on stdin, for `login.users`
#[derive(Debug, clap::Args)]
pub struct HashPassword {}

impl HashPassword {
    /// Does it: 0 done, 1 if there is no randomness, 2 if stdin holds no password.
    pub fn run(&self) -> ExitCode {
        let password = match password(std::io::stdin().lock()) {
            Ok(password) => password,
            Err(why) => {
                tell(&format!("error: {why}\n"));
                return ExitCode::from(2);
            }
        };
        match hashed(&password) {
            Some(hash) => {
                print(&format!("{hash}\n"));
                ExitCode::SUCCESS
            }
            None => {
                tell("error: the system gives no randomness\n");
                ExitCode::FAILURE
            }
        }
    }
}

/// The first line, without its end.
fn password(from: impl BufRead) -> Result<Secret, &'static str> {
    let mut line = Vec::new();
    let read = from.take(MAX_PASSWORD as u64 + 2).read_until(b'\n', &mut line);
    let line = Secret::new(line);
    read.map_err(|_| "stdin cannot be read")?;
    let text = line.expose();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    match text.len() {
        0 => Err(
            "there is no password on stdin; write it there, like `printf %s \"$PASSWORD\" | narrowgate hash-password`",
        ),
        1..=MAX_PASSWORD if std::str::from_utf8(text).is_ok() => Ok(Secret::new(text.to_vec())),
        1..=MAX_PASSWORD => Err("the password is not UTF-8, so no browser could send it"),
        _ => Err("the password is longer than 1024 bytes"),
    }
}

fn hashed(password: &Secret) -> Option<String> {
    let mut salt = [0; Salt::RECOMMENDED_LENGTH];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.expose(), &salt).ok()?;
    Some(hash.to_string())
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier;

    use super::*;

    #[test]
    fn a_password_is_the_first_line() {
        for (stdin, meant) in [("hunter2", "hunter2"), ("hunter2\n", "hunter2"), ("a b \r\nnext", "a b "), ("é", "é")]
        {
            assert_eq!(password(stdin.as_bytes()).unwrap().expose(), meant.as_bytes());
        }
        let long = "x".repeat(MAX_PASSWORD);
        assert_eq!(password(format!("{long}\r\n").as_bytes()).unwrap().expose(), long.as_bytes());
        for nothing in [&b""[..], b"\n", b"\r\n", b"\xff\n", format!("{long}x").as_bytes()] {
            assert!(password(nothing).is_err());
        }
    }

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let hash = hashed(&Secret::new("hunter2")).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hashed(&Secret::new("hunter2")), Some(hash.clone()));
        let hash = PasswordHash::new(&hash).unwrap();
        assert!(Argon2::default().verify_password(b"hunter2", &hash).is_ok());
        assert!(Argon2::default().verify_password(b"hunter3", &hash).is_err());
    }
}
