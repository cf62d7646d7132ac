//! What the files of a configuration said, and whether they still say so.
//!
//! Changes are found by looking, not by being told: notifications of the system miss exchanged links, mounted files and
//! network folders. A file that looks untouched is not read again.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};

/// A file that changed later than this may change again without looking different: clocks of file systems are coarse.
const SETTLED: Duration = Duration::from_secs(2);

/// The files that were read for a configuration, also those that could not be, and what they said.
#[derive(Clone, Debug, Default)]
pub struct FilesRead {
    said: BTreeMap<PathBuf, Said>,
    only_regular: bool,
    /// When the last of them was read.
    last_read: Option<Instant>,
    /// What was read before anybody asked for it.
    ahead: HashMap<PathBuf, Ahead>,
}

/// What [`FilesRead::read`] will give for a file.
#[derive(Clone)]
struct Ahead {
    at_most: u64,
    read: Result<Vec<u8>, String>,
    look: Option<Look>,
}

impl std::fmt::Debug for Ahead {
    /// Without the content, which may be secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ahead").field("look", &self.look).finish_non_exhaustive()
    }
}

/// What one file said.
#[derive(Clone, Debug)]
struct Said {
    /// How much of it is read at most, in bytes.
    at_most: u64,
    /// A digest of its content; nothing if it could not be read.
    content: Option<[u8; 32]>,
    /// How it looked, if that can tell a change.
    look: Option<Look>,
}

/// What stays as it is while nobody writes to a file or puts another one in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Look {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FilesRead {
    /// Nothing asked for yet, and nothing but regular files will be. What was read `before` is opened at once, so that all
    /// of it is of one moment, and the time until it is looked at again does not begin with the last certificate.
    pub(super) fn again(before: &Self) -> Self {
        let mut files = Self { only_regular: true, ..Self::default() };
        for (path, said) in &before.said {
            let (read, look) = files.open(path, said.at_most);
            files.ahead.insert(path.clone(), Ahead { at_most: said.at_most, read, look });
        }
        files
    }

    /// Forgets what was read and not asked for.
    pub(super) fn close(&mut self) {
        self.ahead = HashMap::new();
    }

    /// When the last file was read, whatever has been made of it since; nothing before the first.
    pub fn last_read(&self) -> Option<Instant> {
        self.last_read
    }

    fn open(&mut self, path: &Path, at_most: u64) -> (Result<Vec<u8>, String>, Option<Look>) {
        let opened = match self.only_regular && is_odd(path) {
            true => (Err("is no regular file, so it can be read only once".to_owned()), None),
            false => read(path, at_most),
        };
        self.last_read = Some(Instant::now());
        opened
    }

    /// Reads a file and remembers what it said; on failure says what is wrong with it, as the end of a sentence.
    pub(super) fn read(&mut self, path: &Path, at_most: u64) -> Result<Vec<u8>, String> {
        let (read, look) = match self.ahead.get(path).filter(|ahead| ahead.at_most == at_most) {
            Some(Ahead { read, look, .. }) => (read.clone(), *look),
            None => self.open(path, at_most),
        };
        let content = read.as_deref().ok().map(sha256);
        // One file in two places: what is read more of is remembered.
        if self.said.get(path).is_none_or(|said| said.at_most <= at_most) {
            self.said.insert(path.to_owned(), Said { at_most, content, look });
        }
        read
    }

    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.said.keys().map(PathBuf::as_path)
    }

    /// Takes what the files say now for what they said.
    pub fn take_for_read(&mut self) {
        for (path, said) in self.said.iter_mut().filter(|(path, _)| !is_odd(path)) {
            let (read, look) = read(path, said.at_most);
            (said.content, said.look) = (read.as_deref().ok().map(sha256), look);
        }
    }

    /// Whether every file still says what it said.
    pub fn still_say_so(&mut self) -> bool {
        self.said.iter_mut().all(|(path, said)| said.is_still_so(path))
    }
}

impl Said {
    fn is_still_so(&mut self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(seen) if self.look.is_some() && Look::of(&seen) == self.look => return true,
            Ok(seen) if seen.is_dir() => return self.content.is_none(),
            // Nobody can look again: to open a pipe would be to wait for its writer.
            Ok(seen) if !seen.is_file() => return true,
            Ok(_) | Err(_) => {}
        }
        let (read, look) = read(path, self.at_most);
        let is_same = read.as_deref().ok().map(sha256) == self.content;
        if is_same {
            self.look = look;
        }
        is_same
    }
}

impl Look {
    /// How a file looks, unless it changed so lately that a second change would look the same.
    fn of(seen: &Metadata) -> Option<Self> {
        let since = Duration::new(seen.ctime().try_into().ok()?, seen.ctime_nsec().try_into().ok()?);
        let age = SystemTime::now().duration_since(UNIX_EPOCH.checked_add(since)?).ok()?;
        (age > SETTLED && seen.is_file()).then(|| Self {
            device: seen.dev(),
            inode: seen.ino(),
            bytes: seen.size(),
            modified: (seen.mtime(), seen.mtime_nsec()),
            changed: (seen.ctime(), seen.ctime_nsec()),
        })
    }
}

/// Whether a path leads to something that is neither a file nor a folder, like a pipe.
fn is_odd(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|seen| !seen.is_file() && !seen.is_dir())
}

/// The content of a file, or what is wrong with it, and how the file looked before it was read.
fn read(path: &Path, at_most: u64) -> (Result<Vec<u8>, String>, Option<Look>) {
    let refuse = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "does not exist".to_owned(),
        ErrorKind::PermissionDenied => "may not be read".to_owned(),
        _ => "cannot be read".to_owned(),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return (Err(refuse(error)), None),
    };
    let seen = match file.metadata() {
        Ok(seen) if seen.is_dir() => return (Err("is a folder".to_owned()), None),
        Ok(seen) => seen,
        Err(error) => return (Err(refuse(error)), None),
    };
    let look = Look::of(&seen);
    let mut bytes = Vec::new();
    let read = match file.take(at_most.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > at_most => Err(format!("is longer than {at_most} bytes")),
        Ok(_) => Ok(bytes),
        Err(error) => Err(refuse(error)),
    };
    (read, look)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("narrowgate-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_of_the_same_length_written_a_moment_later_is_another_one() {
        let folder = Folder::new("write");
        let path = folder.write("a.yaml", "one");
        let mut files = FilesRead::default();
        assert_eq!(files.read(&path, 100).unwrap(), b"one");
        assert!(files.still_say_so());
        folder.write("a.yaml", "two");
        assert!(!files.still_say_so());
        folder.write("a.yaml", "one");
        assert!(files.still_say_so(), "what counts is what it says");
    }

    #[test]
    fn what_was_taken_for_read_is_no_change() {
        let folder = Folder::new("taken");
        let path = folder.write("a.yaml", "one");
        let mut files = FilesRead::default();
        files.read(&path, 100).unwrap();
        folder.write("a.yaml", "two");
        files.take_for_read();
        assert!(files.still_say_so());
    }

    #[test]
    fn an_exchanged_link_is_seen() {
        let folder = Folder::new("link");
        folder.write("first", "one");
        folder.write("second", "two");
        let link = folder.0.join("link");
        std::os::unix::fs::symlink("first", &link).unwrap();
        let mut files = FilesRead::default();
        files.read(&link, 100).unwrap();
        std::os::unix::fs::symlink("second", folder.0.join("new")).unwrap();
        fs::rename(folder.0.join("new"), &link).unwrap();
        assert!(!files.still_say_so());
    }

    #[test]
    fn a_file_that_was_not_there_is_missed_until_it_comes() {
        let folder = Folder::new("missing");
        let path = folder.0.join("key.pem");
        let mut files = FilesRead::default();
        assert_eq!(files.read(&path, 100).unwrap_err(), "does not exist");
        assert!(files.still_say_so());
        folder.write("key.pem", "key");
        assert!(!files.still_say_so());
        fs::remove_file(&path).unwrap();
        assert!(files.still_say_so());
    }

    #[test]
    fn what_lies_behind_the_bound_is_not_looked_at() {
        let folder = Folder::new("bound");
        let path = folder.write("long", "12345");
        let mut files = FilesRead::default();
        assert_eq!(files.read(&path, 4).unwrap_err(), "is longer than 4 bytes");
        assert!(files.still_say_so());
        folder.write("long", "1234");
        assert!(!files.still_say_so());
    }

    #[test]
    fn what_was_read_before_is_read_again_at_once_and_what_it_says_then_counts() {
        let folder = Folder::new("ahead");
        let (named, new) = (folder.write("named", "one"), folder.write("new", "1"));
        let mut before = FilesRead::default();
        before.read(&named, 100).unwrap();
        let mut files = FilesRead::again(&before);
        let opened = files.last_read();
        folder.write("named", "two");
        assert_eq!(files.read(&named, 100).unwrap(), b"one");
        assert_eq!(files.last_read(), opened);
        assert!(!files.still_say_so(), "it says something else by now");
        assert_eq!(
            files.read(&named, 2).unwrap_err(),
            "is longer than 2 bytes",
            "with another bound it is another reading"
        );
        files.read(&new, 100).unwrap();
        assert!(files.last_read() > opened);
    }

    #[test]
    fn a_file_that_nobody_asks_for_any_more_is_not_looked_at() {
        let folder = Folder::new("unasked");
        let (kept, gone) = (folder.write("kept", "one"), folder.write("gone", "one"));
        let mut before = FilesRead::default();
        before.read(&kept, 100).unwrap();
        before.read(&gone, 100).unwrap();
        let mut files = FilesRead::again(&before);
        files.read(&kept, 100).unwrap();
        files.close();
        folder.write("gone", "two");
        assert!(files.still_say_so());
    }

    #[test]
    fn a_pipe_is_not_opened_again() {
        let mut files = FilesRead::default();
        files.said.insert("/dev/null".into(), Said { at_most: 9, content: Some([0; 32]), look: None });
        assert!(files.still_say_so());
        let mut again = FilesRead::again(&FilesRead::default());
        assert_eq!(
            again.read(Path::new("/dev/null"), 9).unwrap_err(),
            "is no regular file, so it can be read only once"
        );
    }
}
