//! A browser as far as cookies, redirects and forms go. It goes to loopback alone: whatever leads elsewhere is where it ends.

use std::collections::BTreeMap;

use url::{Url, form_urlencoded};

use crate::client::{Ask, Response};

/// How many redirects somebody bears.
const MOST: usize = 20;

/// A browser, with the cookies of each site.
#[derive(Default)]
pub struct Browser {
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// Where it ended.
pub struct Page {
    pub url: Url,
    /// What is there; nothing where it did not go.
    pub response: Option<Response>,
}

impl Browser {
    /// Goes to a place, and on wherever that leads.
    pub async fn visit(&mut self, url: &str) -> Page {
        self.go("GET", Url::parse(url).expect("tests write URLs"), String::new()).await
    }

    /// Sends the form of a page, every box ticked, by the button with this value.
    pub async fn submit(&mut self, page: &Page, answer: &str) -> Page {
        let html = page.text();
        let inputs = html.split("<input ").skip(1).filter_map(|input| input.split_once('>'));
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (input, _) in inputs {
            let (name, value) = (attribute(input, "name"), attribute(input, "value"));
            form.append_pair(&name.expect("an input has a name"), &value.expect("and a value"));
        }
        form.append_pair("answer", answer);
        let action =
            html.split_once("<form ").and_then(|(_, rest)| attribute(rest, "action")).expect("a form leads on");
        self.go("POST", page.url.join(&action).expect("to a URL"), form.finish()).await
    }

    /// Sends the form of a page with what somebody typed into it, beside what it hides.
    pub async fn fill(&mut self, page: &Page, typed: &[(&str, &str)]) -> Page {
        let html = page.text();
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (input, _) in html.split("<input type=\"hidden\"").skip(1).filter_map(|input| input.split_once('>')) {
            let value = attribute(input, "value").expect("what is hidden has a value");
            form.append_pair(&attribute(input, "name").expect("an input has a name"), &value);
        }
        form.extend_pairs(typed);
        let action =
            html.split_once("<form ").and_then(|(_, rest)| attribute(rest, "action")).expect("a form leads on");
        self.go("POST", page.url.join(&action).expect("to a URL"), form.finish()).await
    }

    /// The values of all cookies.
    pub fn cookies(&self) -> impl Iterator<Item = String> {
        self.cookies.values().flat_map(BTreeMap::values).cloned()
    }

    async fn go(&mut self, method: &str, url: Url, body: String) -> Page {
        let (mut method, mut url, mut body) = (method.to_owned(), url, body);
        for _ in 0..MOST {
            if url.scheme() != "http" || url.host_str() != Some("127.0.0.1") {
                return Page { url, response: None };
            }
            let response = self.ask(&method, &url, &body).await;
            if !(300..400).contains(&response.status) {
                return Page { url, response: Some(response) };
            }
            url = url.join(response.field("location")).expect("a redirect leads to a URL");
            (method, body) = ("GET".to_owned(), String::new());
        }
        panic!("there is no end to it: {url}");
    }

    async fn ask(&mut self, method: &str, url: &Url, body: &str) -> Response {
        let address = url.socket_addrs(|| None).expect("loopback has an address")[0];
        let site = address.to_string();
        let jar = self.cookies.entry(site.clone()).or_default();
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut ask = Ask::new(address, method, &site, target).header("sec-fetch-site", "same-origin");
        if !jar.is_empty() {
            let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            ask = ask.header("cookie", &cookies.join("; "));
        }
        if method == "POST" {
            ask = ask.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let response = ask.send().await;
        for cookie in response.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("cookies are ASCII");
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            match value {
                "" => drop(jar.remove(name)),
                value => drop(jar.insert(name.to_owned(), value.to_owned())),
            }
        }
        response
    }
}

impl Page {
    /// What is written there.
    pub fn text(&self) -> &str {
        self.response.as_ref().map_or("", |response| &response.body)
    }

    /// A parameter of the place where it ended.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

/// The value of an attribute, at its first place.
fn attribute(html: &str, name: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
