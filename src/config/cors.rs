//! `cors`: which web pages may call a resource (RFC 6454, Fetch).

use url::Url;

use super::model::{Cors, CorsOrigins};
use super::read::Reader;
use super::yaml::Node;

/// Reads `cors`.
pub(super) fn cors(reader: &mut Reader, node: &Node) -> Option<Cors> {
    let mut section = reader.section(node, "`cors`")?;
    let hint = "list the origins of your web pages, like `origins: [https://app.example.com]`";
    let origins = section.required(reader, "origins", hint, |reader, node| {
        let before = reader.log.errors();
        let origins = reader.strings(node)?;
        if reader.log.errors() > before {
            return None;
        }
        if origins.is_empty() {
            reader.log.error(node.owner, "`origins` is an empty list", "name an origin, or leave `cors` out");
            return None;
        }
        if origins.iter().any(|origin| origin == "*") {
            if origins.len() > 1 {
                let hint = "write `*` alone for every web page, or take it out";
                reader.log.error(node.place, "`*` stands beside single origins", hint);
            }
            return Some(CorsOrigins::Any);
        }
        reader.one_or_many(node, origin).map(CorsOrigins::Listed)
    });
    section.finish(reader);
    Some(Cors { origins: origins? })
}

/// An origin exactly as a browser sends it, because that is how it is compared.
fn origin(reader: &mut Reader, node: &Node) -> Option<String> {
    let scalar = reader.scalar(node)?;
    let text = &scalar.text;
    let serialized =
        Url::parse(text).ok().filter(|url| url.origin().is_tuple()).map(|url| url.origin().ascii_serialization());
    if serialized.as_ref() == Some(text) {
        return Some(text.clone());
    }
    // Origins of browser extensions and apps have a scheme of their own.
    let foreign = text.split_once("://").filter(|(scheme, host)| {
        !matches!(*scheme, "http" | "https" | "ws" | "wss" | "ftp" | "file")
            && !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
            && !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    });
    if foreign.is_some() {
        return Some(text.clone());
    }
    let hint = match serialized {
        Some(origin) if scalar.written.is_none() => format!("browsers send `{origin}`"),
        _ => "write scheme, host and port alone, like `https://app.example.com`".to_owned(),
    };
    reader.log.error(node.place, format!("`{}` is no origin as a browser sends it", scalar.shown()), hint);
    None
}
