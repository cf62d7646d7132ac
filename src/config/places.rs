//! Where in the file things stand, for whoever finds something out after it was read.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::authorization_server::WrittenServer;
use super::fault::{Fault, FaultKind, Place, SourceText};
use super::issuers::Issuers;
use super::model::{IssuerId, ResourceId};
use super::resource::WrittenResource;
use super::yaml::START;

/// Places in the file that was read.
#[derive(Clone, Debug)]
pub struct Places {
    text: Arc<SourceText>,
    /// Of each trusted issuer: where it says where its keys are.
    keys: Vec<Place>,
    /// Of each resource that says, or for which `defaults` says, how broad tokens are treated: where.
    broad_tokens: HashMap<ResourceId, Place>,
    /// Of our own issuer: where it begins.
    issuer: Option<Place>,
    /// Of each of its key files: where it is named.
    key_files: Vec<Place>,
    /// Of each of its clients: where it says where its keys are, or where it begins.
    client_keys: Vec<Place>,
    /// Of each login at a provider: where its key is given, or where it begins.
    login_keys: Vec<Place>,
}

impl Places {
    pub(super) fn new(
        text: Arc<SourceText>,
        issuers: &Issuers,
        resources: &[WrittenResource],
        server: Option<&WrittenServer>,
    ) -> Self {
        let keys = issuers.0.iter().map(|written| written.keys_place.unwrap_or(written.place)).collect();
        let resources = resources.iter().enumerate();
        let broad_tokens = resources.filter_map(|(at, one)| Some((ResourceId(at), one.broad_tokens_place?))).collect();
        let key_files = server.map_or_else(Vec::new, |server| server.key_files.clone());
        let clients = server.into_iter().flat_map(|server| &server.clients);
        let client_keys = clients.map(|client| client.keys_place.unwrap_or(client.place)).collect();
        let login = server.and_then(|server| server.login.as_ref());
        let login_keys = login.map_or_else(Vec::new, |login| login.key_places.clone());
        Self { text, keys, broad_tokens, issuer: server.map(|server| server.place), key_files, client_keys, login_keys }
    }

    /// Something that is wrong with the file as a whole.
    pub fn fault(&self, message: &str, hint: &str) -> Fault {
        self.text.fault(FaultKind::Fault, START, message, hint.to_owned())
    }

    /// An issuer whose keys lie in files alone, none of which can be used.
    pub fn keys_unusable(&self, issuer: IssuerId, message: &str, hint: &str) -> Fault {
        let place = self.keys.get(issuer.0).copied().unwrap_or(START);
        self.text.fault(FaultKind::KeysUnusable, place, message, hint.to_owned())
    }

    /// One of our own issuer's key files, by its place in the list, that nothing can be signed with.
    pub fn key_file_unusable(&self, at: usize, message: &str, hint: &str) -> Fault {
        let place = self.key_files.get(at).copied().or(self.issuer).unwrap_or(START);
        self.text.fault(FaultKind::KeysUnusable, place, message, hint.to_owned())
    }

    /// A client of our own issuer, by its place in the list, whose keys lie in files alone, none of which can be used.
    pub fn client_keys_unusable(&self, at: usize, message: &str, hint: &str) -> Fault {
        let place = self.client_keys.get(at).copied().or(self.issuer).unwrap_or(START);
        self.text.fault(FaultKind::KeysUnusable, place, message, hint.to_owned())
    }

    /// A login at a provider, by its place in the list, whose key cannot sign.
    pub fn login_key_unusable(&self, at: usize, message: &str, hint: &str) -> Fault {
        let place = self.login_keys.get(at).copied().or(self.issuer).unwrap_or(START);
        self.text.fault(FaultKind::KeysUnusable, place, message, hint.to_owned())
    }

    /// Something that keeps our own issuer from working: its keys, or its store.
    pub fn issuer_unusable(&self, message: &str, hint: &str) -> Fault {
        self.text.fault(FaultKind::Fault, self.issuer.unwrap_or(START), message, hint.to_owned())
    }

    /// Where a resource, or `defaults` for it, says how broad tokens are treated; the beginning if nobody does.
    pub fn broad_tokens(&self, resource: ResourceId) -> Place {
        self.broad_tokens.get(&resource).copied().unwrap_or(START)
    }

    /// The file, as the operator named it.
    pub fn file(&self) -> &Path {
        self.text.file()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, Loaded, parse};

    #[test]
    fn a_place_is_where_it_is_said() {
        let text = "listen: 127.0.0.1:8080\n\
                    trusted_issuers:\n  a: { issuer: https://a.example.com }\n  \
                    b: { issuer: https://b.example.com, jwks: https://b.example.com/keys }\n\
                    defaults: { broad_tokens: accept }\n\
                    resources:\n  https://a.example.com: { upstream: http://127.0.0.1:1 }\n  \
                    https://b.example.com: { upstream: http://127.0.0.1:1, broad_tokens: accept }\n";
        let Loaded { places, .. } = parse(text, Path::new("g.yaml"), &Environment::default()).unwrap();
        let place = |line, column| Place { line, column };
        assert_eq!(places.broad_tokens(ResourceId(0)), place(5, 13));
        assert_eq!(places.broad_tokens(ResourceId(1)), place(8, 58));
        let unusable = |at| places.keys_unusable(IssuerId(at), "none", "").place;
        assert_eq!([unusable(0), unusable(1)], [place(3, 3), place(4, 39)]);
        assert_eq!(
            (places.key_file_unusable(0, "bad", "").place, places.issuer_unusable("bad", "").place),
            (START, START)
        );
        assert_eq!(places.fault("bad", "").to_string().lines().next(), Some("error: g.yaml:1:1: bad"));
    }

    #[test]
    fn a_key_file_that_cannot_sign_is_told_where_it_is_named() {
        let text = "listen: 127.0.0.1:8080\n\
                    resources: { https://a.example.com: { upstream: http://127.0.0.1:1 } }\n\
                    issuer:\n  url: https://b.example.com\n  signing: { keys: [signing.pem, signing-ed25519.pem] }\n";
        let file = Path::new("tests/fixtures/config/files/g.yaml");
        let Loaded { places, .. } = parse(text, file, &Environment::default()).unwrap();
        assert_eq!(places.key_file_unusable(1, "bad", "").place, Place { line: 5, column: 34 });
        assert_eq!(places.issuer_unusable("bad", "").place, Place { line: 3, column: 1 });
    }
}
