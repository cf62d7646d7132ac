//! `rules` of a resource: what further demands its paths and methods make.

use http::Method;

use super::fault::{FaultKind, Place};
use super::model::{Demand, Rule};
use super::read::{Reader, Section};
use super::scopes::Declared;
use super::yaml::Node;
use crate::oauth::ScopePattern;
use crate::route::{InvalidPattern, Overlap, PathPattern};

/// Methods that anybody has registered (RFC 9110 §16.1.1); a rule for another one is likely to miss its aim.
const REGISTERED: [&str; 38] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "PURGE",
];

/// Reads `rules`. At a resource that is public as a whole, no rule may ask for scopes.
pub(super) fn rules(reader: &mut Reader, node: &Node, declared: &mut Declared, all_public: bool) -> Option<Vec<Rule>> {
    let rules = reader.list(node, |reader, item| {
        let rule = rule(reader, item, declared, all_public)?;
        Some((rule, item.place))
    })?;
    check_overlaps(reader, &rules);
    Some(rules.into_iter().map(|(rule, _)| rule).collect())
}

fn rule(reader: &mut Reader, node: &Node, declared: &mut Declared, all_public: bool) -> Option<Rule> {
    let mut section = reader.section(node, "a rule")?;
    let before = reader.log.errors();
    let path = section.optional(reader, "path", path);
    let methods = section.optional(reader, "methods", methods);
    let whole = reader.log.errors() == before;
    let demand = demand(reader, &mut section, declared, all_public);
    if whole && path.is_none() && methods.is_none() {
        match &demand {
            Some(Demand::Scopes(scopes)) if scopes.is_empty() => {
                let hint = "give it a `path` or `methods`, and `scopes` or `public: true`";
                reader.log.error(node.place, "this rule demands nothing of anything", hint);
            }
            Some(Demand::Public { .. }) if !all_public => {
                let hint = "give it a `path` or `methods`, or write `public: true` at the resource itself";
                reader.log.error(node.place, "this rule makes the whole resource public", hint);
            }
            _ => {}
        }
    }
    if let (true, Some(Demand::Scopes(_)), Some(list)) = (whole, &demand, section.get("scopes")) {
        check_parameters(reader, list, path.as_ref());
    }
    section.finish(reader);
    Some(Rule { path, methods, demand: demand? })
}

fn demand(reader: &mut Reader, section: &mut Section<'_>, declared: &mut Declared, all_public: bool) -> Option<Demand> {
    let public = section.optional(reader, "public", Reader::boolean).unwrap_or(all_public);
    let scopes = section.get("scopes");
    let forward = section.get("forward");
    if let (true, Some(node)) = (public, scopes) {
        let message = "a public rule asks nobody for a token, so it cannot ask for scopes";
        let hint = if all_public {
            "the whole resource is public; take the scopes out"
        } else {
            "take `public` or `scopes` out"
        };
        reader.log.error(node.owner, message, hint);
        return None;
    }
    if let (false, Some(node)) = (public, forward) {
        let hint = "write `forward` at the resource or under `defaults`";
        reader.log.error(node.owner, "only a public rule has a `forward` of its own", hint);
        return None;
    }
    if public {
        let words = [("none", false), ("token", true)];
        let forward = forward.map(|node| reader.choice(node, "credential that a public rule forwards", &words));
        return Some(Demand::Public { forward_token: forward.unwrap_or(Some(false))? });
    }
    let scopes = scopes.map(|node| reader.one_or_many(node, |reader, item| declared.demanded(reader, item)));
    Some(Demand::Scopes(scopes.unwrap_or_else(|| Some(Vec::new()))?))
}

/// A scope with a parameter is bound to the parameter of that name in the rule's path.
fn check_parameters(reader: &mut Reader, list: &Node, path: Option<&PathPattern>) {
    reader.one_or_many(list, |reader, item| {
        let scalar = reader.scalar(item)?;
        let scope = ScopePattern::parse(&scalar.text).ok()?;
        let name = scope.parameter()?;
        if path.is_some_and(|path| path.parameter(name).is_some()) {
            return Some(());
        }
        let message =
            format!("`{}` takes its value from the path, but this rule's path has no `{{{name}}}`", scalar.shown());
        reader.log.error(item.place, message, format!("write a path like `/transactions/{{{name}}}`"));
        None
    });
}

fn path(reader: &mut Reader, node: &Node) -> Option<PathPattern> {
    let scalar = reader.scalar(node)?;
    match PathPattern::parse(&scalar.text) {
        Ok(path) => Some(path),
        Err(why) => {
            let hint = match why {
                InvalidPattern::NotAbsolute => "a path is relative to the resource and begins with `/`, like `/admin`",
                InvalidPattern::Segment | InvalidPattern::Character => {
                    "write the path as a client sends it, without query"
                }
                InvalidPattern::Parameter => "write `/orders/{id}`, or `/admin/{*rest}` for all that lies below",
                InvalidPattern::Escape => {
                    "write `{name}` for the segment; requests with other escapes of it are refused"
                }
                InvalidPattern::Repeated => "give each parameter a name of its own",
            };
            reader.log.error(node.place, format!("`{}` is no path pattern: {why}", scalar.shown()), hint);
            None
        }
    }
}

fn methods(reader: &mut Reader, node: &Node) -> Option<Vec<Method>> {
    let before = reader.log.errors();
    let mut seen = Vec::new();
    let methods = reader.one_or_many(node, |reader, item| {
        let method = method(reader, item)?;
        if seen.contains(&method) {
            reader.repeated(item);
            return None;
        }
        seen.push(method.clone());
        Some(method)
    })?;
    if methods.is_empty() && reader.log.errors() == before {
        reader.log.error(node.owner, "no method is listed", "leave `methods` out for all of them");
    }
    Some(methods)
}

fn method(reader: &mut Reader, node: &Node) -> Option<Method> {
    let scalar = reader.scalar(node)?;
    let (text, shown) = (&scalar.text, scalar.shown());
    if matches!(text.as_str(), "CONNECT" | "TRACE") {
        let message = format!("`{shown}` is never let through");
        reader.log.error(node.place, message, "take it out: it is answered with 405");
        return None;
    }
    let upper = text.to_ascii_uppercase();
    if upper != *text {
        let message = format!("`{shown}` is not in upper case, and methods have case");
        let hint = if scalar.written.is_some() { String::new() } else { format!("write `{upper}`") };
        reader.log.error(node.place, message, hint);
        return None;
    }
    let Ok(method) = Method::from_bytes(text.as_bytes()) else {
        let hint = reader.suggest(text, ["GET", "POST", "PUT", "PATCH", "DELETE"]);
        reader.log.error(node.place, format!("`{shown}` is no method"), hint);
        return None;
    };
    if !REGISTERED.contains(&text.as_str()) {
        let message = format!("`{shown}` is no method that anybody has registered");
        let nearest = super::nearest::of(text, &REGISTERED);
        let hint = nearest.map_or("check the spelling".to_owned(), |nearest| format!("did you mean `{nearest}`?"));
        reader.log.warning(node.place, message, if scalar.written.is_some() { String::new() } else { hint });
    }
    Some(method)
}

/// Refuses rules of which nobody can say which one is the more specific.
fn check_overlaps(reader: &mut Reader, rules: &[(Rule, Place)]) {
    let public = |rule: &Rule| matches!(rule.demand, Demand::Public { .. });
    for (at, (rule, place)) in rules.iter().enumerate() {
        for (other, first) in &rules[..at] {
            match overlap(rule.path.as_ref(), other.path.as_ref()) {
                Overlap::Crossing => {
                    let (one, two) = (reader.public(shown(other)), reader.public(shown(rule)));
                    let message = format!("`{one}` and `{two}` share some paths, and neither holds all of the other's");
                    let hint = format!("the other one is in line {}; write out the paths that both match", first.line);
                    reader.log.error(*place, message, hint);
                }
                Overlap::Equal if public(rule) != public(other) && share_a_method(rule, other) => {
                    let hint = format!("the other one is in line {}; give them different paths or methods", first.line);
                    let message = format!("`{}` is public by one rule and not by another", reader.public(shown(rule)));
                    reader.log.error(*place, message, hint);
                }
                Overlap::Equal => {
                    // Only equal paths: what lies inside another one may also say that a public one ends here.
                    let needless = match (says_all_of(other, rule), says_all_of(rule, other)) {
                        (true, _) => Some((*place, first.line)),
                        (false, true) => Some((*first, place.line)),
                        (false, false) => None,
                    };
                    if let Some((needless, line)) = needless {
                        let message = "this rule says nothing that another one does not say already";
                        let hint = format!("the other one is in line {line}; is another path, method or scope meant?");
                        reader.log.tell(FaultKind::RuleNeedless, needless, message, hint);
                    }
                }
                Overlap::Contains | Overlap::Within | Overlap::Disjoint => {}
            }
        }
    }
}

/// Whether `rule` makes every demand of `other`, of at least its methods; their paths are equal.
fn says_all_of(rule: &Rule, other: &Rule) -> bool {
    let methods = match (&rule.methods, &other.methods) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(ours), Some(theirs)) => theirs.iter().all(|method| has(ours, method)),
    };
    methods
        && match (&rule.demand, &other.demand) {
            (Demand::Scopes(ours), Demand::Scopes(theirs)) => theirs.iter().all(|scope| ours.contains(scope)),
            (ours, theirs) => ours == theirs,
        }
}

fn shown(rule: &Rule) -> &str {
    rule.path.as_ref().map_or("/{*rest}", PathPattern::as_str)
}

/// How two paths lie to each other; no path is every path.
fn overlap(ours: Option<&PathPattern>, theirs: Option<&PathPattern>) -> Overlap {
    let every = |path: &PathPattern| path.has_rest() && path.segments().is_empty();
    match (ours.filter(|path| !every(path)), theirs.filter(|path| !every(path))) {
        (None, None) => Overlap::Equal,
        (None, Some(_)) => Overlap::Contains,
        (Some(_), None) => Overlap::Within,
        (Some(ours), Some(theirs)) => ours.overlap(theirs),
    }
}

fn share_a_method(one: &Rule, other: &Rule) -> bool {
    let (Some(ours), Some(theirs)) = (&one.methods, &other.methods) else {
        return true;
    };
    ours.iter().any(|method| has(theirs, method)) || theirs.iter().any(|method| has(ours, method))
}

/// GET includes HEAD.
fn has(methods: &[Method], method: &Method) -> bool {
    methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: Option<&str>, methods: Option<&[&str]>) -> Rule {
        let method = |name: &&str| Method::from_bytes(name.as_bytes()).unwrap();
        Rule {
            path: path.map(|path| PathPattern::parse(path).unwrap()),
            methods: methods.map(|names| names.iter().map(method).collect()),
            demand: Demand::Scopes(Vec::new()),
        }
    }

    #[test]
    fn no_path_is_every_path() {
        let lie = |ours, theirs| {
            let (ours, theirs) = (rule(ours, None), rule(theirs, None));
            overlap(ours.path.as_ref(), theirs.path.as_ref())
        };
        assert_eq!(lie(None, None), Overlap::Equal);
        assert_eq!(lie(None, Some("/{*all}")), Overlap::Equal);
        assert_eq!(lie(None, Some("/a/{*rest}")), Overlap::Contains);
        assert_eq!(lie(Some("/a"), None), Overlap::Within);
        assert_eq!(lie(Some("/a/{x}"), Some("/{y}/b")), Overlap::Crossing);
    }

    #[test]
    fn get_includes_head() {
        let share = |ours, theirs| share_a_method(&rule(None, ours), &rule(None, theirs));
        assert!(share(None, Some(&["POST"])));
        assert!(share(Some(&["GET"]), Some(&["HEAD"])) && share(Some(&["HEAD"]), Some(&["GET"])));
        assert!(!share(Some(&["GET", "HEAD"]), Some(&["POST"])));
    }
}
