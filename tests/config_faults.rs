//! Every fixture under `tests/fixtures/config`: the bad ones with their whole output, the good ones without a fault.
//!
//! `UPDATE_EXPECTED=1` writes the outputs anew; read what changed before it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use narrowgate::config::{self, Environment};

/// What `${SECRET}` stands for; no message may show it.
const SECRET: &str = "correct-horse-battery-staple";

fn environment() -> Environment {
    [("SECRET", SECRET), ("API_HOST", "api.example.com"), ("EMPTY", "")].into_iter().collect()
}

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/fixtures/config").join(folder);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    paths.sort();
    paths
}

/// What `check` would print to stderr.
fn output(path: &Path) -> String {
    match config::load(path, &environment()) {
        Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(faults) => faults.to_string(),
    }
}

/// Compares each output with the file beside its fixture; a fixture without one must have no output.
fn compare(paths: &[PathBuf], always: bool) {
    let mut wrong = BTreeMap::new();
    for path in paths {
        let output = output(path);
        assert!(!output.contains(SECRET), "{} shows a secret", path.display());
        let expected = path.with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() && (always || !output.is_empty()) {
            fs::write(&expected, &output).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != output {
            wrong.insert(path.display().to_string(), output);
        }
    }
    let wrong: Vec<_> = wrong.iter().map(|(path, output)| format!("{path}:\n{output}")).collect();
    assert!(wrong.is_empty(), "another output than expected (UPDATE_EXPECTED=1 rewrites)\n\n{}", wrong.join("\n"));
}

#[test]
fn every_bad_configuration_is_told_as_expected() {
    let paths = fixtures("bad");
    assert!(paths.len() >= 100, "only {} bad configurations", paths.len());
    for path in &paths {
        assert!(config::load(path, &environment()).is_err(), "{} loads", path.display());
    }
    compare(&paths, true);
}

#[test]
fn every_good_configuration_loads_with_the_expected_warnings() {
    let paths = fixtures("good");
    assert!(paths.len() >= 25, "only {} good configurations", paths.len());
    for path in &paths {
        if let Err(faults) = config::load(path, &environment()) {
            panic!("{} does not load:\n{faults}", path.display());
        }
    }
    compare(&paths, false);
}
