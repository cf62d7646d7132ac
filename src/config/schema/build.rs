//! Keys and sections of the schema: what an editor is told about a key, and which keys stand beside each other.

use serde_json::{Map, Value, json};

/// One key of a section.
pub(super) struct Key {
    name: &'static str,
    value: Value,
    must: bool,
}

/// A key, what may stand there, and what it does, in Markdown.
pub(super) fn key(name: &'static str, value: Value, about: &str) -> Key {
    Key { name, value: with(value, json!({ "description": about, "markdownDescription": about })), must: false }
}

impl Key {
    /// The section does not load without it.
    pub(super) fn must(self) -> Self {
        Self { must: true, ..self }
    }

    /// What counts where the key is left out; editors that show descriptions alone show it too.
    pub(super) fn usual(mut self, default: impl Into<Value>) -> Self {
        let default = default.into();
        let shown = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        for word in ["description", "markdownDescription"] {
            if let Some(Value::String(about)) = self.value.get_mut(word) {
                about.push_str(&format!("\n\nDefault: `{shown}`."));
            }
        }
        self.and("default", default)
    }

    /// Something that is likely to be meant; editors offer it.
    pub(super) fn like(self, examples: impl Into<Value>) -> Self {
        self.and("examples", json!([examples.into()]))
    }

    fn and(self, word: &str, value: Value) -> Self {
        Self { value: with(self.value, json!({ word: value })), ..self }
    }
}

/// A mapping that knows these keys and no others. `title` is the parser's name for it: a test compares the keys of
/// both by that name.
pub(super) fn section(title: &str, keys: impl IntoIterator<Item = Key>) -> Value {
    let (mut properties, mut must) = (Map::new(), Vec::new());
    for key in keys {
        if key.must {
            must.push(key.name);
        }
        properties.insert(key.name.to_owned(), key.value);
    }
    let mut section = json!({
        "title": title,
        "type": nothing_or("object", must.is_empty()),
        "properties": properties,
        "additionalProperties": false,
    });
    if !must.is_empty() {
        section["required"] = json!(must);
    }
    section
}

/// A mapping whose keys are the operator's own: what they may be, and what stands behind each.
pub(super) fn map(names: Value, value: Value) -> Value {
    json!({ "type": nothing_or("object", true), "propertyNames": names, "additionalProperties": value })
}

/// `key:` with nothing behind it is a section without entries, where none must be there.
fn nothing_or(kind: &str, may_be_empty: bool) -> Value {
    if may_be_empty { json!([kind, "null"]) } else { json!(kind) }
}

/// `schema` with the members of `further`, which win.
pub(super) fn with(mut schema: Value, further: Value) -> Value {
    if let (Value::Object(schema), Value::Object(further)) = (&mut schema, further) {
        schema.extend(further);
    }
    schema
}
