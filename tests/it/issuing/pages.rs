//! The pages for users in a real browser (Chromium, by playwright-core): the whole way by keyboard alone, in light and dark,
//! narrow and wide, with nothing that its policy would have to stop. What they look like is left in `target/screenshots`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};

use super::free_port;
use crate::api::Api;
use crate::chromium::drive;
use crate::gateway::Gateway;
use crate::issuer::Issuer;

const PASSWORD: &str = "a glass of cold lemonade";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_finds_the_way_by_keyboard_in_every_light() {
    walked("http", &json!([[360, "light"], [360, "dark"], [1280, "light"], [1280, "dark"]])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_keeps_our_cookies_over_tls_as_well() {
    walked("https", &json!([[800, "light"]])).await;
}

async fn walked(scheme: &str, looks: &Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (gateway, folder, port) = gateway(root, scheme).await;
    let issuer = format!("{scheme}://127.0.0.1:{port}");
    drive("browser.mjs", json!({ "issuer": issuer, "password": PASSWORD, "looks": looks })).await;
    drop(gateway);
    let _ = fs::remove_dir_all(folder);
}

async fn gateway(root: &Path, scheme: &str) -> (Gateway, std::path::PathBuf, u16) {
    let folder = std::env::temp_dir().join(format!("narrowgate-pages-{scheme}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the system has a folder for this");
    let text = fs::read_to_string(root.join("tests/fixtures/it/pages.yaml")).expect("the fixture is there");
    let text = match scheme {
        "https" => over_tls(&folder, &text),
        _ => text,
    };
    fs::write(folder.join("gateway.yaml"), text).expect("the folder is ours");
    let mut apis = BTreeMap::new();
    for name in ["API_1", "API_2", "API_3"] {
        apis.insert(name.to_owned(), Api::start(name).await);
    }
    let issuers = BTreeMap::from([("ISSUER_CORP".to_owned(), Issuer::start().await)]);
    let port = free_port();
    let salt = b"salt of the tests";
    let hash = Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), salt).expect("it can be hashed");
    let environment =
        BTreeMap::from([("PORT".to_owned(), port.to_string()), ("PASSWORD".to_owned(), hash.to_string())]);
    let gateway = Gateway::run_with(folder.join("gateway.yaml"), issuers, apis, environment).await;
    (gateway, folder, port)
}

/// The same configuration, on a listener with a certificate.
fn over_tls(folder: &Path, text: &str) -> String {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("it is an address");
    fs::write(folder.join("site.pem"), cert.pem()).expect("the folder is ours");
    fs::write(folder.join("site.key"), signing_key.serialize_pem()).expect("the folder is ours");
    let listen = "listen: { address: \"127.0.0.1:${PORT}\", tls: [{ cert: site.pem, key: site.key }] }";
    text.replace("listen: 127.0.0.1:${PORT}", listen).replace("url: http://", "url: https://")
}
