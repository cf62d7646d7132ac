//! Forms of values. The parser reads every value as text, so a form takes whatever of YAML's types that text may be.
//!
//! Values are interpolated before they are read: where `${` stands, nobody can say here what will come of it.

use serde_json::{Value, json};

/// A form that is told by a pattern, and what to write instead of what does not fit it.
fn pattern(kind: Value, pattern: &str, instead: &str) -> Value {
    json!({ "type": kind, "pattern": format!("^(?:{pattern})$|\\$\\{{"), "patternErrorMessage": instead })
}

/// Text that a pattern tells, and that YAML never takes for anything else.
fn shaped(shape: &str, instead: &str) -> Value {
    pattern(json!("string"), shape, instead)
}

/// Text that a pattern tells; a number or a switch is such a text too, as it stands there.
fn word_like(shape: &str, instead: &str) -> Value {
    pattern(json!(["string", "number", "boolean"]), shape, instead)
}

/// Any text but none.
pub(super) fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"], "minLength": 1 })
}

/// A name for people: one line.
pub(super) fn label() -> Value {
    super::build::with(text(), json!({ "maxLength": 80, "pattern": "^\\S(.*\\S)?$" }))
}

/// A place where answers may go: `https`, `http` on this machine, or a program's own scheme.
pub(super) fn redirect_uri() -> Value {
    let (host, rest) = (r"[!$-.0->A-\[\]_a-z~]+", r"([/?][!$-;=?-\[\]_a-z~]*)?");
    let loopback = r"http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?";
    let own = r"[a-z][a-z0-9+-]*\.[a-z0-9+.-]*:[!$-;=?-\[\]_a-z~]*";
    let instead = "Write an `https` URL, `http://127.0.0.1/callback`, or `com.example.app:/callback`; no fragment.";
    let shape = shaped(&format!("(https://{host}|{loopback}){rest}|{own}"), instead);
    let of_the_answer = "[?&](code|state|iss|error|error_description|error_uri)(=|&|$)";
    super::build::with(shape, json!({ "maxLength": 2048, "not": { "pattern": of_the_answer } }))
}

/// A secret of at least so many characters.
pub(super) fn secret(least: usize) -> Value {
    word_like(&format!("[ -~]{{{least},}}"), &format!("Write at least {least} printable characters."))
}

/// The path of a file, from the folder of the configuration.
pub(super) fn file() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// `true` or `false`, and no other word of YAML 1.1.
pub(super) fn switch() -> Value {
    pattern(json!(["boolean", "string"]), "true|false", "Write `true` or `false`.")
}

/// One of these words. One that YAML takes for a number or a switch may stand without quotes.
pub(super) fn words(words: &[&str]) -> Value {
    let quoted = words.iter().map(|word| json!(word));
    let plain = words.iter().filter_map(|word| serde_json::from_str::<Value>(word).ok());
    let all: Vec<Value> = quoted.chain(plain).collect();
    json!({ "anyOf": [{ "enum": all }, { "type": "string", "pattern": "\\$\\{" }] })
}

/// A duration above zero. The bounds stand in the description of the key.
pub(super) fn duration() -> Value {
    shaped("0*[1-9][0-9]*(ms|s|m|h|d)", "Write a whole number and `ms`, `s`, `m`, `h` or `d`, like `90s`.")
}

/// A duration that may be none.
pub(super) fn duration_or_zero() -> Value {
    shaped("[0-9]+(ms|s|m|h|d)", "Write a whole number and `ms`, `s`, `m`, `h` or `d`, like `90s`.")
}

/// A number of bytes.
pub(super) fn size(least: u64, most: u64) -> Value {
    let instead = "Write a number of bytes, or a whole number and `KiB`, `MiB`, `GiB` or `TiB`, like `64KiB`.";
    let form = pattern(json!(["integer", "string"]), "0*[1-9][0-9]*(KiB|MiB|GiB|TiB)?", instead);
    super::build::with(form, json!({ "minimum": least, "maximum": most }))
}

/// A whole number above zero.
pub(super) fn whole(least: u64, most: u64) -> Value {
    let form = pattern(json!(["integer", "string"]), "0*[1-9][0-9]*", "Write a whole number above zero.");
    super::build::with(form, json!({ "minimum": least, "maximum": most }))
}

/// A whole number that may be zero.
pub(super) fn whole_or_zero(least: u64, most: u64) -> Value {
    let form = pattern(json!(["integer", "string"]), "[0-9]+", "Write a whole number.");
    super::build::with(form, json!({ "minimum": least, "maximum": most }))
}

/// A port, or one of these words.
pub(super) fn port_or(words: &[&str]) -> Value {
    json!({ "anyOf": [self::words(words), whole(1, 65535)] })
}

/// A name of the DNS.
pub(super) fn dns_name() -> Value {
    shaped("[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*", "Write the name that is in the certificate, like `api.internal`.")
}

/// An IP address and a port.
pub(super) fn address() -> Value {
    let shape = r"([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}";
    shaped(shape, "Write an IP address and a port, like `0.0.0.0:8443` or `[::]:8443`.")
}

/// An address of this machine, and a port.
pub(super) fn loopback() -> Value {
    let shape = r"(127(\.[0-9]{1,3}){3}|\[([0:]*1|::ffff:127(\.[0-9]{1,3}){3})\]):[0-9]{1,5}";
    shaped(shape, "Write a loopback address and a port, like `127.0.0.1:9090`; any other one needs a `token`.")
}

/// A range of addresses.
pub(super) fn network() -> Value {
    let shape = r"([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)(/[0-9]{1,3})?";
    shaped(shape, "Write a range in CIDR notation, like `10.0.0.0/8` or `fd00::/8`.")
}

/// A host, with a port if need be.
pub(super) fn host() -> Value {
    let shape = r"([A-Za-z0-9._-]*[A-Za-z0-9_-]|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?";
    shaped(shape, "Write a name or an address, with a port if need be, like `api.example.com:8443`.")
}

/// A host without a port.
pub(super) fn host_name() -> Value {
    shaped(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", "Write the name alone, without scheme and port.")
}

/// Scheme and authority of a URL that can be used.
const ORIGIN: &str = r#"https?://[^/?#@{}\s\\"<>`]+"#;
/// What may stand in a path.
const PATH: &str = r"[!$-.0-;=@-\[\]^_a-~]";

/// An absolute `http` or `https` URL.
pub(super) fn url() -> Value {
    let shape = format!(r"{ORIGIN}(/{PATH}*)*(\?({PATH}|[/?])*)?");
    shaped(&shape, "Write a URL with its scheme, like `https://host/path`, without user and fragment.")
}

/// A URL without a query, and with single slashes.
pub(super) fn upstream_url() -> Value {
    let shape = format!(r"{ORIGIN}(/{PATH}+)*/?");
    without_dots(shaped(&shape, "Write scheme, host, port and at most a path, like `http://127.0.0.1:9001`."))
}

/// A URL, or the path of a file.
pub(super) fn url_or_file() -> Value {
    json!({ "anyOf": [url(), { "type": "string", "minLength": 1, "not": { "pattern": "://" } }] })
}

/// A URL that nobody on the way can change what is fetched from, or the path of a file.
pub(super) fn secure_url_or_file() -> Value {
    let loopback =
        r"http://(([A-Za-z0-9_.-]+\.)?localhost|127\.[0-9.]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?([/?]|$)|^https:|\$\{";
    let secure = super::build::with(url(), json!({ "allOf": [{ "pattern": format!("^{loopback}") }] }));
    json!({ "anyOf": [secure, { "type": "string", "minLength": 1, "not": { "pattern": "://" } }] })
}

/// A value of `iss`.
pub(super) fn issuer() -> Value {
    word_like("[^{}]+", "Write the value of `iss` in its tokens, byte for byte; no token carries a placeholder.")
}

/// An origin as a browser sends it, or every one.
pub(super) fn origin() -> Value {
    let shape = r"\*|[a-z][a-z0-9+.-]*://[^/?#@\sA-Z]+|[a-z-]+-extension://[A-Za-z0-9._-]+";
    shaped(shape, "Write scheme, host and port alone, like `https://app.example.com`.")
}

/// A path to ask.
pub(super) fn asked_path() -> Value {
    shaped(r##"/([!"$-.0-;=?@-_a-~][!"$-;=?-~]*)?"##, "Write a path that answers 2xx, like `/healthz`.")
}

/// A path of a rule: literal segments, and parameters.
pub(super) fn path_pattern() -> Value {
    let (literal, name) = (SEGMENT, "[A-Za-z0-9_]+");
    let segments = format!(r"(/({literal}|\{{{name}\}}))");
    let shape = format!(r"/|{segments}+/?|{segments}*/\{{\*{name}\}}/?");
    without_dots(shaped(&shape, "Write a path that begins with `/`, like `/orders/{id}` or `/admin/{*rest}`."))
}

/// A prefix of whole segments without parameters.
pub(super) fn path_prefix() -> Value {
    without_dots(shaped(&format!("/|(/{SEGMENT})+/?"), "Write whole segments without parameters, like `/v1`."))
}

/// A literal segment of a path.
const SEGMENT: &str = r"[!$&-.0-:=@A-Z^_a-z|~\[\]]+";

fn without_dots(path: Value) -> Value {
    super::build::with(path, json!({ "not": { "pattern": r"/\.\.?(/|$)" } }))
}

/// A method.
pub(super) fn method() -> Value {
    let usual = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let further = shaped("[A-Z0-9!#$%&'*+.^_`|~-]+", "Write a method in upper case, like `POST`.");
    json!({ "anyOf": [{ "enum": usual }, further], "not": { "enum": ["CONNECT", "TRACE"] } })
}

/// What a scope is made of, but for braces.
const SCOPE: &str = r"[!#-\[\]-z|~]";

/// A scope; `{name}` in it stands for one value.
pub(super) fn scope() -> Value {
    word_like(&scope_shape(), "Write printable ASCII without spaces, with at most one `{name}`.")
}

/// A client, with the name of its issuer; without one it is our own.
pub(super) fn client() -> Value {
    word_like(r"[^|]+(\|.+)?", "Write `NAME|ID`, with the name of its issuer.")
}

/// A declared scope, as a key: nothing is interpolated there.
pub(super) fn scope_name() -> Value {
    json!({ "pattern": format!("^(?:{})$", scope_shape()) })
}

/// A scope without a parameter, as a key.
pub(super) fn plain_scope_name() -> Value {
    json!({ "pattern": format!("^{SCOPE}+$") })
}

/// A scope without a parameter.
pub(super) fn plain_scope() -> Value {
    word_like(&format!("{SCOPE}+"), "Write a scope with its value, like `transaction:7`.")
}

fn scope_shape() -> String {
    format!(r"{SCOPE}+|{SCOPE}*\{{[A-Za-z0-9_]+\}}{SCOPE}*")
}

/// What names a claim.
const CLAIM: &str = "[^/].*|/([^~]|~[01])+";

/// A claim: a member's name, or a JSON pointer.
pub(super) fn claim() -> Value {
    word_like(CLAIM, "Write a member's name, or a JSON pointer such as `/realm_access/roles`.")
}

/// A claim, as a key.
pub(super) fn claim_name() -> Value {
    json!({ "pattern": format!("^(?:{CLAIM})$") })
}

/// One value, or a list of them; the list may be empty.
pub(super) fn one_or_many(item: &Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item }] })
}

/// One value, or a list of them, none twice.
pub(super) fn one_or_different(item: &Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item, "uniqueItems": true }] })
}

/// One value, or a list of at least one.
pub(super) fn one_or_more(item: &Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item, "minItems": 1 }] })
}

/// One value, or a list of at least one, none twice.
pub(super) fn one_or_some(item: &Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item, "uniqueItems": true, "minItems": 1 }] })
}
