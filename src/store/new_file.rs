//! A file that has its name once it is whole: it is written under another one, for its owner alone.
//!
//! A crash leaves no half of it under its name, and nothing that is there already is replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file under a name that nobody else has; it goes when this is dropped.
pub(super) struct NewFile {
    temporary: PathBuf,
    path: PathBuf,
}

/// Whose file has the name now.
pub(super) enum Named {
    /// The new one.
    Ours,
    /// One that was there before, and is as it was.
    Theirs,
}

impl NewFile {
    /// An empty file beside `path`, readable and writable by its owner only.
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("there is no randomness"))?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".new-{:016x}", u64::from_le_bytes(random)));
        let temporary = path.with_file_name(name);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        Ok(Self { temporary, path: path.to_owned() })
    }

    /// Where it is until it has its name.
    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives it its name, unless that is taken. Its content must be on the disk by now; then so is its name.
    pub(super) fn take_name(self) -> io::Result<Named> {
        // A link takes nobody's place, as a rename would. Where there are no links, two first starts at once are on their own.
        match fs::hard_link(&self.temporary, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Named::Theirs),
            Err(_) if self.path.exists() => return Ok(Named::Theirs),
            Err(_) => fs::rename(&self.temporary, &self.path)?,
        }
        // A name is in its folder's file, which is on the disk no sooner than it is told to be.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Named::Ours)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // It has its own name by now, or was for nothing.
        let _ = fs::remove_file(&self.temporary);
    }
}
