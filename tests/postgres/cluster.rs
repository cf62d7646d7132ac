//! A PostgreSQL of a test's own, by the system's programs: in a temporary folder, on a port of loopback that was free, and
//! gone with the test. The system's own cluster is never touched.
//!
//! PostgreSQL does not run as root; there it runs as the user `postgres`, whom its package makes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where `apt-get install postgresql` puts a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// How long it may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who we are there, and what proves it over TCP; escaped, it may stand in a URL.
const USER: &str = "narrowgate";
pub const PASSWORD: &str = "a-pass:word/of@tests";
const ESCAPED: &str = "a-pass:word%2Fof%40tests";

/// A server; it ends when this is dropped.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    server: Option<Child>,
    /// The user and the group to run as.
    owner: Option<(u32, u32)>,
}

impl Cluster {
    /// A server with nothing in it but what every one has.
    pub fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// The same with further settings, made from the folder, where its files may lie.
    pub fn start_with(settings: impl FnOnce(&Self) -> Vec<String>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("narrowgate-pg-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("the system has a folder for this");
        let owner = own_id("-u").filter(|id| *id == 0).map(|_| {
            let ids = (id_of("-u", "postgres"), id_of("-g", "postgres"));
            chown(&folder, Some(ids.0), Some(ids.1)).expect("root may give a folder away");
            ids
        });
        let mut cluster = Self { folder, port: 0, settings: Vec::new(), server: None, owner };
        cluster.file("password", PASSWORD);
        let data = cluster.path("data");
        let made = cluster
            .program("initdb")
            .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"])
            .args(["--username", USER, "--pwfile"])
            .arg(cluster.path("password"))
            .arg("--pgdata")
            .arg(data)
            .output()
            .expect("PostgreSQL is installed: apt-get install postgresql");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.settings = settings(&cluster);
        cluster.start_again();
        cluster
    }

    /// A file in its folder, for its owner alone.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        fs::write(&path, content).expect("the folder is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        if let Some((user, group)) = self.owner {
            chown(&path, Some(user), Some(group)).expect("root may give a file away");
        }
        path
    }

    /// The URL of a database at this host.
    pub fn url_at(&self, host: &str, database: &str) -> String {
        format!("postgres://{USER}:{ESCAPED}@{host}:{}/{database}", self.port)
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        self.url_at("127.0.0.1", database)
    }

    /// What `psql` says to a command; it must not fail.
    pub fn sql(&self, database: &str, command: &str) -> String {
        let mut psql = Command::new(installed("psql"));
        psql.env("PGPASSWORD", PASSWORD).args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]);
        psql.args(["-U", USER, "-d", database, "-p", &self.port.to_string(), "-c", command]);
        let told = psql.output().expect("`psql` comes with PostgreSQL");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).expect("it speaks UTF-8").trim().to_owned()
    }

    /// Ends the server and every connection to it; what is kept stays.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // As Ctrl-C: connections are cut off, and nothing is lost.
        let _ = Command::new("kill").args(["-INT", &server.id().to_string()]).status();
        let _ = server.wait();
    }

    /// Runs the server, after a stop on the same port.
    pub fn start_again(&mut self) {
        let end = Instant::now() + PATIENCE;
        while !self.try_start() {
            // Somebody else was quicker to take the port.
            assert!(Instant::now() < end, "{}", fs::read_to_string(self.path("log")).unwrap_or_default());
        }
    }

    fn try_start(&mut self) -> bool {
        if self.port == 0 {
            let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
            self.port = listener.local_addr().expect("it is bound").port();
        }
        let log = fs::File::create(self.path("log")).expect("the folder is ours");
        let mut server = self.program("postgres");
        server.arg("-D").arg(self.path("data")).args(["-p", &self.port.to_string(), "-k"]).arg(&self.folder);
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=8MB", "max_connections=50"] {
            server.args(["-c", setting]);
        }
        for setting in &self.settings {
            server.args(["-c", setting]);
        }
        let mut server = server.stdout(Stdio::null()).stderr(log).spawn().expect("PostgreSQL is installed");
        let status = self.path("data").join("postmaster.pid");
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if server.try_wait().expect("it is ours").is_some() {
                return false;
            }
            // Its last line tells how far it is.
            let told = fs::read_to_string(&status).unwrap_or_default();
            let is_its = told.lines().next() == Some(&server.id().to_string());
            if is_its && told.lines().last().is_some_and(|line| line.trim() == "ready") {
                self.server = Some(server);
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = server.kill();
        let _ = server.wait();
        false
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(installed(name));
        command.current_dir(&self.folder).env("LC_ALL", "C");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program of the version that is there; of several, the one whose name comes last.
fn installed(program: &str) -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin").join(program)).filter(|path| path.is_file());
    programs.max().expect("PostgreSQL is missing; install it with: apt-get install postgresql")
}

fn own_id(which: &str) -> Option<u32> {
    id(&[which])
}

fn id_of(which: &str, user: &str) -> u32 {
    id(&[which, user]).expect("the user `postgres` is there: apt-get install postgresql")
}

fn id(arguments: &[&str]) -> Option<u32> {
    let told = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(told.stdout).ok()?.trim().parse().ok()
}
