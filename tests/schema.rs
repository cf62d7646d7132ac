//! The JSON Schema says what the loader does, as far as a schema can see.
//!
//! It is held against every configuration of the tests by a validator that others wrote. The keys of each section are
//! compared with those that the parser asks for in `src/config/schema/tests.rs`.

#[path = "schema/yaml.rs"]
mod yaml;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use narrowgate::config;
use serde_json::Value;

const FILE: &str = "gateway.schema.json";

struct Validator {
    schemas: Schemas,
    schema: SchemaIndex,
}

impl Validator {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource(FILE, config::schema()).unwrap();
        let schema = compiler.compile(FILE, &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, schema }
    }

    /// What is wrong with a document; nothing if the schema accepts it.
    fn complaint(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.schema).err().map(|error| format!("{error:#}"))
    }
}

/// The YAML files of a folder under `tests/fixtures`.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new("tests/fixtures").join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no configuration");
    paths
}

/// The whole samples of a page.
fn samples(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned());
    blocks.enumerate().map(|(at, block)| (format!("{page}, sample {}", at + 1), block)).collect()
}

fn fail_with(faults: &[String]) {
    assert!(faults.is_empty(), "\n\n{}\n", faults.join("\n\n"));
}

#[test]
fn the_file_beside_gateway_yaml_is_what_the_command_prints() {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_narrowgate")).arg("schema").output().unwrap();
    assert!(printed.status.success() && printed.stderr.is_empty());
    let printed = String::from_utf8(printed.stdout).unwrap();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(FILE, &printed).unwrap();
    }
    assert!(fs::read_to_string(FILE).unwrap_or_default() == printed, "{FILE} is old (UPDATE_EXPECTED=1 rewrites)");
}

#[test]
fn every_good_configuration_is_accepted() {
    let good = ["config/good", "idp", "it"].into_iter().flat_map(files).chain(["gateway.yaml".into()]);
    let good = good.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()));
    let pages = ["README.md", "docs/configuration.md", "docs/operating.md", "docs/providers.md"];
    let validator = Validator::new();
    let faults = good.chain(pages.into_iter().flat_map(samples)).filter_map(|(name, text)| {
        let document = yaml::read(&text).unwrap_or_else(|| panic!("{name} is no YAML"));
        validator.complaint(&document).map(|complaint| format!("{name}\n{complaint}"))
    });
    fail_with(&faults.collect::<Vec<_>>());
}

/// The bad configurations that a schema cannot see, and why.
const UNSEEN: [(&str, &[&str]); 9] = [
    (
        "one place names what another one must declare",
        &[
            "all_at_once_between_sections",
            "allowed_clients_not_accepted",
            "allowed_clients_own_false",
            "allowed_clients_unknown_client",
            "allowed_clients_unknown_client_far",
            "allowed_clients_unknown_issuer",
            "client_default_not_in_matrix",
            "client_default_unknown",
            "client_serves_unknown",
            "edge_name_not_here",
            "edge_name_not_there",
            "edge_unknown_from",
            "edge_unknown_target",
            "edge_unknown_to",
            "known_as_unknown_issuer",
            "matrix_all",
            "matrix_far_resource",
            "matrix_no_scope",
            "matrix_own_false",
            "matrix_parameter",
            "matrix_public_resource",
            "matrix_scope_of_another",
            "matrix_unknown_resource",
            "matrix_unknown_scope",
            "required_scope_undefined",
            "required_scope_without_scopes",
            "resource_issuer_none_declared",
            "resource_issuer_unknown",
            "rule_scope_undefined",
            "scope_map_undefined",
            "scopes_if_none_undefined",
            "user_claims_unknown_scope",
            "access_by_path",
            "access_of_a_protocol",
            "access_own_false",
            "access_unknown_claim",
            "access_without_issuer",
            "access_without_users",
            "login_unknown_issuer",
        ],
    ),
    (
        "two places that are fine alone say the same, or contradict each other",
        &[
            "admin_same_as_listen",
            "audience_is_other_key",
            "audience_shared",
            "broad_tokens_narrow_default_token",
            "broad_tokens_narrow_forward_token",
            "broad_tokens_narrow_without_issuer",
            "claims_carry_twice",
            "exchange_audiences_names_alias",
            "exchange_audiences_names_resource",
            "defaults_forward",
            "edge_parameter_from_nowhere",
            "edge_parameter_of_another_name",
            "edge_to_itself",
            "forward_narrowed_without_issuer",
            "header_equal_spelling",
            "ignore_audiences_names_resource",
            "issuer_shared",
            "keys_differ_by_case",
            "keys_differ_by_slash",
            "known_as_twice",
            "lifetime_beyond_limit",
            "limit_peer_beyond_all",
            "limit_token_beyond_header",
            "listen_twice",
            "match_claims_the_same",
            "match_host_twice",
            "own_issuer_clash",
            "own_issuer_is_trusted",
            "own_issuer_lifetime_beyond_limit",
            "redirect_all",
            "redirect_alone",
            "redirect_in_circles",
            "route_to_admin",
            "scope_same_parameter",
            "store_database_without_encryption",
            "store_memory_without_keys",
            "subjects_plain_twice",
            "upstream_different_paths",
            "upstream_tls_without_https",
            "upstream_twice",
            "client_code_without_login",
            "login_insecure",
            "login_without_discovery",
            "store_database_without_encryption_of_grants",
            "store_memory_with_login",
            "users_beside_local_issuer",
        ],
    ),
    (
        "how the paths of rules lie to each other, and which parameters they have",
        &[
            "rule_crossing",
            "rule_parameter_not_in_path",
            "rule_parameter_without_path",
            "rule_path_parameter_twice",
            "rule_public_twice",
        ],
    ),
    (
        "one key of a mapping decides what another one must hold",
        &[
            "client_auth_of_jwks",
            "client_auth_of_nothing",
            "client_auth_of_secret",
            "client_credentials_nowhere",
            "client_credentials_public",
            "client_exchange_nowhere",
            "client_exchange_public",
            "client_exchange_without_grant",
            "client_serves_public",
            "key_urn_match_without_hosts",
            "key_urn_without_match",
            "upstream_host_underscore",
            "client_code_without_redirect_uris",
            "client_code_without_resources",
            "client_refresh_without_code",
        ],
    ),
    (
        "a number inside a text is out of bounds, or the text has a grammar of its own",
        &[
            "lifetime_too_long",
            "limit_too_large",
            "listen_port_too_large",
            "max_stale_too_long",
            "own_issuer_lifetime_too_short",
            "proxy_host_bits",
            "proxy_prefix",
            "refresh_too_long",
            "refresh_too_short",
            "signing_rotation_too_long",
            "signing_rotation_too_short",
            "upstream_bad_port",
            "upstream_idle_timeout",
            "lifetime_code_long",
            "lifetime_code_short",
            "lifetime_refresh_long",
            "lifetime_refresh_short",
            "lifetime_session_long",
            "lifetime_session_short",
            "users_hash_cut_short",
            "users_parameter_unknown",
            "users_too_many_lanes",
            "users_too_many_passes",
            "users_too_much_memory",
            "users_too_much_work",
        ],
    ),
    (
        "whether an issuer must be a URL, and what of it is allowed, depends on where its keys are",
        &[
            "discovery_http",
            "issuer_entra_common",
            "issuer_entra_organizations_discovery",
            "issuer_http",
            "issuer_no_url",
            "issuer_query",
            "issuer_user_information",
            "jwks_http",
        ],
    ),
    (
        "names without regard to case, `-` and `_`, and filters of a language of their own",
        &[
            "header_authorization",
            "header_content_length",
            "header_cookie",
            "header_forwarded_spelling",
            "header_host",
            "header_transfer_encoding",
            "log_filter",
            "user_claims_map_protocol",
            "login_title_unseen",
            "login_scopes_without_openid",
        ],
    ),
    (
        "what lies in files and in the environment",
        &[
            "authorities_missing",
            "authorities_no_certificate",
            "client_jwks_missing",
            "client_jwks_private",
            "jwks_file_is_none",
            "jwks_file_missing",
            "signing_keys_missing",
            "signing_keys_no_key",
            "signing_keys_two_in_one",
            "tls_folder",
            "tls_foreign_key",
            "tls_missing_file",
            "tls_no_certificate",
            "tls_no_key",
            "tls_odd_key",
            "upstream_tls_ca_missing",
            "upstream_tls_ca_no_certificate",
            "upstream_tls_foreign_key",
            "variable_bad_name",
            "variable_empty",
            "variable_file_binary",
            "variable_file_missing",
            "variable_file_unnamed",
            "variable_missing",
            "variable_secret_as_choice",
            "variable_secret_as_duration",
            "variable_secret_as_scope",
            "variable_secret_as_url",
            "variable_unclosed",
            "login_key_none",
            "login_key_path",
            "login_key_two",
        ],
    ),
    ("YAML that an editor reads without a word", &["yaml_directive"]),
];

#[test]
fn every_bad_configuration_is_rejected_unless_a_schema_cannot_see_it() {
    let unseen: BTreeSet<&str> = UNSEEN.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let validator = Validator::new();
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    for path in files("config/bad") {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some(document) = yaml::read(&fs::read_to_string(&path).unwrap()) else {
            // What is no YAML, or more of YAML than a configuration may use, never gets as far as a schema.
            let is_syntax = name.starts_with("yaml_") || name.starts_with("repeated_");
            faults.extend((!is_syntax).then(|| format!("{name}: this is no YAML")));
            continue;
        };
        let rejected = validator.complaint(&document).is_some();
        match (rejected, unseen.contains(name.as_str())) {
            (false, false) => {
                faults.push(format!("{name}: the schema accepts it; is there a reason to put it into UNSEEN?"))
            }
            (true, true) => faults.push(format!("{name}: the schema sees it; take it out of UNSEEN")),
            _ => {}
        }
        known.insert(name);
    }
    faults.extend(unseen.iter().filter(|name| !known.contains(**name)).map(|name| format!("{name}: no such fixture")));
    fail_with(&faults);
}

/// The keys of every section below `schema`, by their places. Sections have titles; what has none only narrows one.
fn properties(schema: &Value, place: &str, found: &mut Vec<(String, Value)>) {
    match schema {
        Value::Object(members) => {
            let is_section = members.get("title").is_some_and(Value::is_string);
            for (word, inner) in members {
                match inner.as_object().filter(|_| word == "properties") {
                    Some(keys) if is_section => {
                        for (key, inner) in keys {
                            let place = format!("{place}/{key}");
                            found.push((place.clone(), inner.clone()));
                            properties(inner, &place, found);
                        }
                    }
                    _ => properties(inner, place, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, place, found)),
        _ => {}
    }
}

#[test]
fn every_key_is_explained() {
    let mut found = Vec::new();
    properties(&config::schema(), "", &mut found);
    assert!(found.len() > 80, "only {} keys", found.len());
    let silent = found.iter().filter(|(_, schema)| {
        let about =
            |word: &str| schema[word].as_str().is_some_and(|about| about.trim().len() > 5 && about.ends_with('.'));
        !about("description") || !about("markdownDescription")
    });
    fail_with(&silent.map(|(place, _)| format!("{place} has no description")).collect::<Vec<_>>());
}
