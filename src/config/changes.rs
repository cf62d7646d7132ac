//! What another configuration changes, in words: `https://api2.example.com: scopes +reports.write; upstream -http://10.0.0.8/`.
//!
//! Both configurations are described in the words of `gateway.yaml`, and the descriptions are compared, so that no key
//! can be forgotten here. What a description keeps to itself, secrets and the content of files, is told as such.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use serde_json::Value;

use super::describe;
use super::fault::brief;
use super::model::{AuthorizationServer, Config, LocalUser, LoginAuthentication};

/// The most that is shown of one value, in characters.
const MAX_VALUE: usize = 100;
/// What changed where nothing that is shown did.
const HIDDEN: &str = "another secret, or a file with another content";

/// What `after` changes, a sentence for each listener, issuer, resource or section; nothing if both mean the same.
pub fn changes(before: &Config, after: &Config) -> Vec<String> {
    let mut told = Vec::new();
    let listeners = Parts::of("listen ", before, after, |config| {
        config.listeners.iter().map(|each| Cow::Owned(each.address.to_string())).collect()
    });
    listeners.compare(&mut told, |old, new| {
        let (old, new) = (&before.listeners[old], &after.listeners[new]);
        (old != new).then(|| (describe::listener(old), describe::listener(new)))
    });
    section(&mut told, "admin", &before.admin, &after.admin, |admin| admin.as_ref().map(describe::admin).into());
    let issuers = Parts::of("trusted issuer ", before, after, |config| {
        config.trusted_issuers.iter().map(|each| Cow::Borrowed(each.name.as_str())).collect()
    });
    issuers.compare(&mut told, |old, new| {
        let (old, new) = (&before.trusted_issuers[old], &after.trusted_issuers[new]);
        (old != new).then(|| (describe::trusted_issuer(old), describe::trusted_issuer(new)))
    });
    let resources = Parts::of("", before, after, |config| {
        config.resources.iter().map(|each| Cow::Borrowed(each.key.as_str())).collect()
    });
    // With the issuers in another order every resource looks different and means the same.
    let renumbered = !issuers.after.starts_with(&issuers.before);
    resources.compare(&mut told, |old, new| {
        let (old, new) = (&before.resources[old], &after.resources[new]);
        if old == new && !renumbered {
            return None;
        }
        let described = (describe::resource(before, old), describe::resource(after, new));
        (described.0 != described.1 || old.upstream != new.upstream).then_some(described)
    });
    of_issuer(&mut told, before, after);
    section(&mut told, "scopes", &before.scopes, &after.scopes, |scopes| {
        scopes.iter().map(|(scope, text)| (scope.to_string(), Value::from(text.as_str()))).collect()
    });
    section(&mut told, "trusted_proxies", &before.trusted_proxies, &after.trusted_proxies, |list| {
        describe::networks(list)
    });
    section(&mut told, "trusted_cas", &before.trusted_cas, &after.trusted_cas, |cas| cas.is_some().into());
    section(&mut told, "log", &before.log, &after.log, describe::log);
    section(&mut told, "limits", &before.limits, &after.limits, describe::limits);
    told
}

/// What changes at our own issuer: a sentence for itself, one for each client, and one for the store.
fn of_issuer(told: &mut Vec<String>, before: &Config, after: &Config) {
    match (&before.issuer, &after.issuer) {
        (None, None) => {}
        (None, Some(_)) => told.push("issuer: added".to_owned()),
        (Some(_), None) => told.push("issuer: removed".to_owned()),
        (Some(old), Some(new)) => {
            // Trusted issuers in another order are other numbers in the same words.
            let described = (describe::authorization_server(before, old), describe::authorization_server(after, new));
            if described.0 != described.1 || hidden_of_login(old) != hidden_of_login(new) || old.signing != new.signing
            {
                told.push(format!("issuer: {}", in_words(&described.0, &described.1)));
            }
            let clients = Parts::of("client ", before, after, |config| {
                let clients = config.issuer.iter().flat_map(|issuer| &issuer.clients);
                clients.map(|client| Cow::Borrowed(client.id.as_str())).collect()
            });
            clients.compare(told, |at_old, at_new| {
                let (old, new) = (&old.clients[at_old], &new.clients[at_new]);
                // Resources and issuers in another order are other numbers in the same words.
                let described = (describe::client(before, old), describe::client(after, new));
                (described.0 != described.1 || old.authentication != new.authentication).then_some(described)
            });
        }
    }
    section(told, "store", &before.store, &after.store, |store| store.as_ref().map(describe::store).into());
}

/// What a description of `login` keeps to itself.
fn hidden_of_login(server: &AuthorizationServer) -> Vec<Hidden<'_>> {
    let login = server.login.iter();
    let providers = login.clone().flat_map(|login| &login.openid).map(|each| Hidden::Provider(&each.authentication));
    let users = login.flat_map(|login| &login.users).map(Hidden::User);
    providers.chain(users).collect()
}

#[derive(PartialEq)]
enum Hidden<'a> {
    Provider(&'a LoginAuthentication),
    User(&'a LocalUser),
}

/// Named parts of both configurations.
struct Parts<'a> {
    title: &'a str,
    before: Vec<Cow<'a, str>>,
    after: Vec<Cow<'a, str>>,
}

impl<'a> Parts<'a> {
    fn of(
        title: &'a str,
        before: &'a Config,
        after: &'a Config,
        names: impl Fn(&'a Config) -> Vec<Cow<'a, str>>,
    ) -> Self {
        Self { title, before: names(before), after: names(after) }
    }

    /// Tells what came, what went, and what `describe` gives for both sides of what stayed and is not the same.
    fn compare(&self, told: &mut Vec<String>, describe: impl Fn(usize, usize) -> Option<(Value, Value)>) {
        let mut tell = |name: &str, words: String| told.push(format!("{}{name}: {words}", self.title));
        // Names mostly stay where they are, and then nothing has to be looked up.
        let is_aligned = self.before == self.after;
        let places = self.before.iter().enumerate().map(|(at, name)| (&**name, at));
        let places: HashMap<&str, usize> = places.filter(|_| !is_aligned).collect();
        for (at, name) in self.after.iter().enumerate() {
            let before = if is_aligned { Some(at) } else { places.get(&**name).copied() };
            match before.map(|before| describe(before, at)) {
                None => tell(name, "added".to_owned()),
                Some(None) => {}
                Some(Some((old, new))) => tell(name, in_words(&old, &new)),
            }
        }
        if !is_aligned {
            let left: HashSet<&str> = self.after.iter().map(|name| &**name).collect();
            let gone = self.before.iter().filter(|name| !left.contains(&***name));
            gone.for_each(|name| tell(name, "removed".to_owned()));
        }
    }
}

fn section<T: PartialEq>(told: &mut Vec<String>, name: &str, before: &T, after: &T, describe: impl Fn(&T) -> Value) {
    if before != after {
        told.push(format!("{name}: {}", in_words(&describe(before), &describe(after))));
    }
}

/// The differences between two descriptions.
fn in_words(before: &Value, after: &Value) -> String {
    let mut words = Vec::new();
    differences("", before, after, &mut words);
    if words.is_empty() { HIDDEN.to_owned() } else { words.join("; ") }
}

fn differences(path: &str, before: &Value, after: &Value, words: &mut Vec<String>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut marks = String::new();
            for (key, value) in new {
                match old.get(key) {
                    // `urls` is what an upstream is; the word adds nothing.
                    Some(was) if key == "urls" => differences(path, was, value, words),
                    Some(was) => differences(&joined(path, key), was, value, words),
                    None => mark(&mut marks, '+', key),
                }
            }
            old.keys().filter(|key| !new.contains_key(*key)).for_each(|key| mark(&mut marks, '-', key));
            if !marks.is_empty() {
                words.push(format!("{path}{marks}").trim_start().to_owned());
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let mut marks = String::new();
            new.iter().filter(|item| !old.contains(item)).for_each(|item| mark(&mut marks, '+', &shown(item)));
            old.iter().filter(|item| !new.contains(item)).for_each(|item| mark(&mut marks, '-', &shown(item)));
            let marks = if marks.is_empty() { " in another order" } else { &marks };
            words.push(format!("{path}{marks}").trim_start().to_owned());
        }
        (Value::Null, new) => words.push(format!("{path} {}", shown(new)).trim_start().to_owned()),
        (_, Value::Null) => words.push(format!("{path} no more").trim_start().to_owned()),
        (old, new) => words.push(format!("{path} {} instead of {}", shown(new), shown(old)).trim_start().to_owned()),
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn mark(marks: &mut String, sign: char, what: &str) {
    // Writing into a string cannot fail.
    let _ = write!(marks, " {sign}{what}");
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    brief(&text, MAX_VALUE).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Environment, parse};
    use super::*;

    const BEFORE: &str = "
listen: 127.0.0.1:8080
admin: { address: 127.0.0.1:9090, token: 0123456789abcdef }
trusted_issuers:
  corp: { issuer: https://login.example.com }
  partner: { issuer: https://partner.example.com }
resources:
  https://api1.example.com: { upstream: http://127.0.0.1:9001, scopes: { read: Read } }
  https://api2.example.com:
    upstream: { urls: [http://10.0.0.7, http://10.0.0.8] }
    scopes: [reports]
    issuers: { partner: {} }
";

    fn config(text: &str) -> Config {
        match parse(text, Path::new("gateway.yaml"), &Environment::default()) {
            Ok(loaded) => loaded.config,
            Err(faults) => panic!("{faults}"),
        }
    }

    /// What is told once these texts have taken the place of those.
    fn told(exchanged: &[(&str, &str)]) -> Vec<String> {
        let mut after = BEFORE.to_owned();
        for (old, new) in exchanged {
            assert!(after.contains(old), "{old}");
            after = after.replace(old, new);
        }
        changes(&config(BEFORE), &config(&after))
    }

    #[test]
    fn nothing_is_told_of_what_means_the_same() {
        assert_eq!(told(&[("listen:", "# where\nlisten:")]), [""; 0]);
        let reordered = [
            ("  corp: { issuer: https://login.example.com }\n", ""),
            ("partner.example.com }\n", "partner.example.com }\n  corp: { issuer: https://login.example.com }\n"),
        ];
        assert_eq!(told(&reordered), [""; 0]);
    }

    #[test]
    fn a_resource_tells_what_came_and_what_went() {
        let exchanged = [("scopes: [reports]", "scopes: [reports, reports.write]"), (", http://10.0.0.8]", "]")];
        assert_eq!(told(&exchanged), ["https://api2.example.com: scopes +reports.write; upstream -http://10.0.0.8/"]);
        let exchanged = [("https://api1.example.com", "https://api3.example.com")];
        assert_eq!(told(&exchanged), ["https://api3.example.com: added", "https://api1.example.com: removed"]);
    }

    #[test]
    fn sections_tell_the_new_value_and_the_old_one() {
        let exchanged = [("listen:", "limits: { drain: 5s }\nlog: { level: debug }\nlisten:")];
        assert_eq!(told(&exchanged), ["log: level debug instead of info", "limits: drain 5s instead of 25s"]);
        let exchanged = [("https://login.example.com }", "https://login.example.com, algorithms: [ES256] }")];
        assert!(told(&exchanged)[0].starts_with("trusted issuer corp: algorithms -RS256"), "{:?}", told(&exchanged));
    }

    #[test]
    fn a_client_tells_its_cells_and_its_edges() {
        let issuer = "\nissuer:\n  url: https://auth.example.com\n  clients:\n    app:\n      \
                      secret: one-secret-of-thirty-two-characters\n      grants: [client_credentials]\n      \
                      resources: { https://api1.example.com: [read] }\n";
        let listen = format!("{issuer}listen:");
        let with = |exchanged: &[(&str, &str)]| {
            let mut text =
                BEFORE.replace("listen:", &listen).replace("scopes: { read: Read }", "scopes: [read, write]");
            let before = config(&text);
            for (old, new) in exchanged {
                assert!(text.contains(old), "{old}");
                text = text.replace(old, new);
            }
            changes(&before, &config(&text))
        };
        assert_eq!(with(&[]), [""; 0]);
        assert_eq!(
            with(&[(": [read] }", ": [read, write] }")]),
            ["client app: resources.https://api1.example.com +write"]
        );
        let told = with(&[("one-secret-of", "another-secret-of")]);
        assert_eq!(told, ["client app: another secret, or a file with another content"]);
        let told = with(&[("auth.example.com", "login.example.org")]);
        assert_eq!(told, ["issuer: url https://login.example.org instead of https://auth.example.com"]);
        let told = with(&[("\n  clients:", "\n  development_tokens: true\n  clients:")]);
        assert_eq!(told, ["issuer: development_tokens true instead of false"]);
        let login = "\n  login: { openid: { corp: { client_id: narrowgate, client_secret: hunter2 } } }\n  clients:";
        let told = with(&[("\n  clients:", login)]);
        assert!(told[0].starts_with("issuer: login {") && !told[0].contains("hunter2"), "{told:?}");
        assert_eq!(with(&[("    app:", "    web:")]), ["client web: added", "client app: removed"]);
        assert_eq!(with(&[("\nissuer:", "\nstore: a.redb\nissuer:")]), ["store: a.redb instead of narrowgate.redb"]);
        assert_eq!(with(&[(issuer, "")]), ["issuer: removed", "store: no more"]);
    }

    #[test]
    fn another_way_to_log_in_is_told() {
        let issuer = "issuer:\n  url: https://auth.example.com\n  login: { openid: { corp: { client_id: narrowgate, \
                      client_secret: hunter2 } } }\nlisten:";
        let with = |old: &str, new: &str| {
            let before = BEFORE.replace("listen:", issuer);
            assert!(before.contains(old), "{old}");
            changes(&config(&before), &config(&before.replace(old, new)))
        };
        assert_eq!(with("narrowgate", "gate"), ["issuer: login.openid.corp.client_id gate instead of narrowgate"]);
        assert_eq!(with("hunter2", "hunter3"), ["issuer: another secret, or a file with another content"]);
        let more = "hunter2 }, partner: { client_id: gate }";
        assert_eq!(with("hunter2 }", more), ["issuer: login.openid +partner"]);
        let reordered =
            "  partner: { issuer: https://partner.example.com }\n  corp: { issuer: https://login.example.com }\n";
        let lines =
            "  corp: { issuer: https://login.example.com }\n  partner: { issuer: https://partner.example.com }\n";
        assert_eq!(with(lines, reordered), [""; 0]);
    }

    #[test]
    fn a_secret_is_told_to_be_another_one_and_not_shown() {
        let exchanged = [("0123456789abcdef", "fedcba9876543210")];
        assert_eq!(told(&exchanged), ["admin: another secret, or a file with another content"]);
    }
}
