//! Where a configuration comes from, so that it can be read again: the file, the files that it names, the environment.

use std::path::PathBuf;

use super::fault::{FaultKind, Faults, SourceText};
use super::files::FilesRead;
use super::yaml::START;
use super::{Environment, Loaded, read_all};

/// A configuration's file, and the environment that it is read with.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    environment: Environment,
}

/// One reading of a configuration.
#[derive(Debug)]
pub struct Reading {
    /// The configuration, or what is wrong with it.
    pub loaded: Result<Loaded, Faults>,
    /// The files that were read, the configuration among them.
    pub files: FilesRead,
    /// Whether the file ended in `...`, which says that nothing is missing behind it.
    pub is_terminated: bool,
}

impl Source {
    /// The configuration at `path`, with `environment` for its `${NAME}`.
    pub fn new(path: impl Into<PathBuf>, environment: Environment) -> Self {
        Self { path: path.into(), environment }
    }

    /// Reads the configuration, and all that it names, once.
    pub fn read(&self) -> Reading {
        read_all(&self.path, &self.environment, FilesRead::default())
    }

    /// Reads all of it again; the files of the reading `before` first. What is no regular file is a fault: a pipe has given
    /// away what it held, and to open it would be to wait for its writer.
    pub fn read_again(&self, before: &FilesRead) -> Reading {
        let mut reading = read_all(&self.path, &self.environment, FilesRead::again(before));
        reading.files.close();
        reading
    }

    /// What to tell of a configuration that cannot be used for a reason which has no place in it.
    pub fn refuse(&self, message: &str, hint: &str) -> Faults {
        let text = SourceText::new(&self.path, "");
        Faults(vec![text.fault(FaultKind::Fault, START, message, hint.to_owned())])
    }
}

/// Whether a text ends in YAML's mark for the end of a document, which nothing but blanks and comments may follow.
pub(super) fn is_terminated(text: &str) -> bool {
    let mut lines = text.lines().rev().map(str::trim_end);
    let last = lines.find(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
    last.is_some_and(|line| {
        line == "..." || line.strip_prefix("... ").is_some_and(|rest| rest.trim_start().starts_with('#'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_dots_at_the_end_say_that_nothing_is_missing() {
        for text in ["a: 1\n...\n", "a: 1\n...", "a: 1\n... # end\n\n# by hand\n", "...\r\n"] {
            assert!(is_terminated(text), "{text:?}");
        }
        for text in ["a: 1\n", "a: ...\n", " ...\n", "a: 1\n...\nb: 2\n", "....\n", "a: |\n  ...\n", ""] {
            assert!(!is_terminated(text), "{text:?}");
        }
    }
}
