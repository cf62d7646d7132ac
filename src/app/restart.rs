//! What only a restart can change: the addresses that are bound, and the store that is open. A reload keeps them, and says
//! so.

use crate::config::{Admin, Config, Listener};

/// The configuration with the addresses and the store of `running`, and what it says about them that does not take effect.
///
/// Everything else of a listener is the file's, where the file still has it; a listener that the file has no more goes
/// on as it is. None begins to redirect while another one waits, which may be where it would send everybody.
pub(super) fn keep_what_is_bound(running: &Config, mut written: Config) -> (Config, Vec<String>) {
    let mut needs_restart = Vec::new();
    let mut left = std::mem::take(&mut written.listeners);
    for bound in &running.listeners {
        let same = left.iter().position(|listener| listener.address == bound.address);
        let listener = match same {
            Some(at) => left.remove(at),
            None => {
                needs_restart.push(format!("listen: `{}` goes on until a restart", bound.address));
                bound.clone()
            }
        };
        written.listeners.push(listener);
    }
    // Whoever is sent to an address that is not listened on yet is sent nowhere.
    for (bound, listener) in running.listeners.iter().zip(&mut written.listeners).filter(|_| !left.is_empty()) {
        if listener.purpose.redirects_to().is_some() && listener.purpose != bound.purpose {
            needs_restart.push(format!("listen: `{}` redirects after a restart", bound.address));
            listener.clone_from(bound);
        }
    }
    needs_restart.extend(left.iter().map(|Listener { address, .. }| format!("listen: `{address}` needs a restart")));
    let (bound, wanted) = (running.admin.as_ref(), written.admin.as_ref());
    if bound.map(|admin| admin.address) != wanted.map(|admin| admin.address) {
        needs_restart.push(match wanted {
            Some(admin) => format!("admin: `{}` needs a restart", admin.address),
            None => "admin: it goes on until a restart".to_owned(),
        });
        written.admin = match (bound, written.admin.take()) {
            // A token that was exchanged counts no more; one that is gone leaves nothing open.
            (Some(bound), Some(wanted)) => {
                Some(Admin { address: bound.address, token: wanted.token.or_else(|| bound.token.clone()), ..wanted })
            }
            (bound, _) => bound.cloned(),
        };
    }
    keep_store(running, &mut written, &mut needs_restart);
    (written, needs_restart)
}

/// A store that is open stays: what was revoked there must not be forgotten because a file has another name. An issuer
/// that comes or goes with its store needs no restart.
fn keep_store(running: &Config, written: &mut Config, needs_restart: &mut Vec<String>) {
    let (Some(open), Some(wanted)) = (&running.store, &written.store) else { return };
    if open == wanted {
        return;
    }
    needs_restart.push(format!("store: `{wanted}` needs a restart"));
    written.store = Some(open.clone());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, parse};

    fn config(text: &str) -> Config {
        let text = format!("{text}\nresources: {{ https://api.example: {{ upstream: http://127.0.0.1:1 }} }}\n");
        match parse(&text, Path::new("gateway.yaml"), &Environment::default()) {
            Ok(loaded) => loaded.config,
            Err(faults) => panic!("{faults}"),
        }
    }

    fn addresses(config: &Config) -> Vec<String> {
        config.listeners.iter().map(|listener| listener.address.to_string()).collect()
    }

    #[test]
    fn bound_addresses_stay_and_others_wait() {
        let running = config("listen: [127.0.0.1:0, 127.0.0.1:0, 127.0.0.1:8080]\nadmin: 127.0.0.1:9090");
        let (kept, needs_restart) = keep_what_is_bound(&running, config("listen: [127.0.0.1:8081, 127.0.0.1:0]"));
        assert_eq!(addresses(&kept), ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:8080"]);
        assert_eq!(kept.admin, running.admin);
        let told = [
            "listen: `127.0.0.1:0` goes on until a restart",
            "listen: `127.0.0.1:8080` goes on until a restart",
            "listen: `127.0.0.1:8081` needs a restart",
            "admin: it goes on until a restart",
        ];
        assert_eq!(needs_restart, told);
    }

    #[test]
    fn an_admin_listener_that_moves_later_has_its_new_token_now() {
        let admin = |text: &str| config(&format!("listen: 127.0.0.1:8080\nadmin: {text}"));
        let running = admin("{ address: 0.0.0.0:9090, token: first-first-first }");
        for (written, kept) in [
            (
                "{ address: 0.0.0.0:9091, token: other-other-other, hosts: [b.example] }",
                "{ address: 0.0.0.0:9090, token: other-other-other, hosts: [b.example] }",
            ),
            ("127.0.0.1:9091", "{ address: 0.0.0.0:9090, token: first-first-first }"),
        ] {
            assert_eq!(keep_what_is_bound(&running, admin(written)).0.admin, admin(kept).admin);
        }
    }

    #[test]
    fn a_listener_does_not_redirect_before_there_is_somewhere_to_go() {
        let running = config("listen: 127.0.0.1:8080");
        let redirect = "{ address: 127.0.0.1:8080, redirect: 8443 }";
        let written = config(&format!("listen: [127.0.0.1:8443, {redirect}]"));
        let (kept, needs_restart) = keep_what_is_bound(&running, written.clone());
        assert_eq!(kept.listeners, running.listeners);
        let told = ["listen: `127.0.0.1:8080` redirects after a restart", "listen: `127.0.0.1:8443` needs a restart"];
        assert_eq!(needs_restart, told);

        let running = config("listen: [127.0.0.1:8080, 127.0.0.1:8443]");
        let (kept, needs_restart) = keep_what_is_bound(&running, written.clone());
        assert_eq!((kept.listeners[0].purpose.redirects_to(), needs_restart), (Some(8443), Vec::new()));
    }

    #[test]
    fn an_open_store_stays_and_another_name_of_the_issuer_does_not_wait() {
        let issuer = |url: &str, store: &str| {
            config(&format!("listen: 127.0.0.1:8080\nissuer: {{ url: https://{url} }}\n{store}"))
        };
        let running = issuer("a.example", "");
        let (kept, needs_restart) = keep_what_is_bound(&running, issuer("b.example", "store: other.redb"));
        assert_eq!(kept.store, running.store);
        assert_eq!(kept.issuer.map(|issuer| issuer.issuer).as_deref(), Some("https://b.example"));
        assert_eq!(needs_restart, ["store: `other.redb` needs a restart"]);
        let database = format!(
            "listen: 127.0.0.1:8080\nissuer: {{ url: https://a.example, signing: {{ key_encryption: {} }} }}\n\
             store: 'postgres://me:hunter2@db.example/x'",
            "5a".repeat(32)
        );
        let (kept, needs_restart) = keep_what_is_bound(&running, config(&database));
        assert_eq!(kept.store, running.store);
        assert_eq!(needs_restart, ["store: `postgres://db.example:5432/x` needs a restart"], "without the password");
        let alone = config("listen: 127.0.0.1:8080");
        for (running, written) in [(&alone, &running), (&running, &alone)] {
            let (kept, needs_restart) = keep_what_is_bound(running, written.clone());
            assert_eq!((&kept, needs_restart), (written, Vec::new()));
        }
    }

    #[test]
    fn what_is_not_an_address_is_the_files() {
        let running = config("listen: 127.0.0.1:8080\nadmin: { address: 127.0.0.1:9090, hosts: [a.example] }");
        let written = config("listen: 127.0.0.1:8080\nadmin: { address: 127.0.0.1:9090, hosts: [b.example] }");
        let (kept, needs_restart) = keep_what_is_bound(&running, written.clone());
        assert_eq!((kept, needs_restart), (written, Vec::new()));
    }
}
