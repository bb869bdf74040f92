//! What of its own differs between two derivations, field by field.
//!
//! Asked in two steps, since nearly all pairs have nothing: [`Fields::differ`] says
//! whether there is anything, [`Fields::differences`] says what.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{
    Change, Difference,
    graph::{Graph, Id},
    pairing::Pairing,
    references::{References, Side},
    text,
};
use nix_formats::derivation::{Derivation, Output, STRUCTURED};

/// Compares the fields of derivations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) graph: &'a Graph,
    pub(super) references: &'a References,
}

/// The value of a field: a variable, or an attribute of `__json`.
enum Field<'a> {
    Text(Cow<'a, [u8]>),
    Json(Value),
}

impl Fields<'_> {
    /// Whether the pair differs in more than paths that are paired. Two sources always do:
    /// their paths are made of their content.
    pub(super) fn differ(&self, (old, new): (Id, Id), inputs: &Pairing) -> bool {
        let (Some(one), Some(other)) = (self.graph.derivation(old), self.graph.derivation(new))
        else {
            return true;
        };
        !inputs.removed.is_empty()
            || !inputs.added.is_empty()
            || !inputs.used_otherwise.is_empty()
            || self.graph.name(old) != self.graph.name(new)
            || one.system() != other.system()
            || !one.outputs().map(fixed).eq(other.outputs().map(fixed))
            || !self.references.same(one.builder(), other.builder())
            || !self.same_arguments(one, other)
            || !self.same_environment(one, other)
    }

    fn same_arguments(&self, old: &Derivation, new: &Derivation) -> bool {
        let mut both = old.arguments().zip(new.arguments());
        old.arguments().len() == new.arguments().len()
            && both.all(|(old, new)| self.references.same(old, new))
    }

    fn same_environment(&self, old: &Derivation, new: &Derivation) -> bool {
        let mut both = old.environment().zip(new.environment());
        old.environment().len() == new.environment().len()
            && both.all(|((name, old), (other, new))| {
                name == other
                    && (self.references.same(old, new)
                        || (name == STRUCTURED && self.same_json(old, new)))
            })
    }

    /// Whether two JSON texts mean the same.
    fn same_json(&self, old: &[u8], new: &[u8]) -> bool {
        match (serde_json::from_slice(old), serde_json::from_slice(new)) {
            (Ok(old), Ok(new)) => self.same_value(&old, &new),
            _ => false,
        }
    }

    fn same_value(&self, old: &Value, new: &Value) -> bool {
        match (old, new) {
            (Value::String(old), Value::String(new)) => {
                self.references.same(old.as_bytes(), new.as_bytes())
            }
            (Value::Array(old), Value::Array(new)) => {
                let mut both = old.iter().zip(new);
                old.len() == new.len() && both.all(|(old, new)| self.same_value(old, new))
            }
            (Value::Object(old), Value::Object(new)) => {
                old.len() == new.len()
                    && old.iter().all(|(name, old)| {
                        new.get(name).is_some_and(|new| self.same_value(old, new))
                    })
            }
            (old, new) => old == new,
        }
    }

    /// What differs; for two sources nothing, since only their content could say it.
    pub(super) fn differences(&self, (old, new): (Id, Id), inputs: &Pairing) -> Vec<Difference> {
        let (Some(one), Some(other)) = (self.graph.derivation(old), self.graph.derivation(new))
        else {
            return vec![];
        };
        let mut found = Vec::new();
        let (name, new_name) = (self.graph.name(old), self.graph.name(new));
        if name != new_name {
            found.push(Difference::changed("name", name, new_name));
        }
        self.compare_texts("system", one.system(), other.system(), &mut found);
        self.compare_texts("builder", one.builder(), other.builder(), &mut found);
        let arguments =
            |derivation: &Derivation| derivation.arguments().collect::<Vec<_>>().join(&b'\n');
        if !self.same_arguments(one, other) {
            self.compare_texts("arguments", &arguments(one), &arguments(other), &mut found);
        }
        self.compare_environments(one, other, name != new_name, &mut found);
        compare_outputs(one, other, &mut found);
        self.compare_inputs(inputs, &mut found);
        found
    }

    fn compare_environments(
        &self,
        old: &Derivation,
        new: &Derivation,
        renamed: bool,
        found: &mut Vec<Difference>,
    ) {
        let (old, new) = (fields(old), fields(new));
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            // Said once, by the derivation's own fields.
            let is_listed = (name == "name" && renamed) || name == "system" || name == "builder";
            match (old.get(name), new.get(name)) {
                _ if is_listed => {}
                (Some(old), Some(new)) => self.compare_fields(name, old, new, found),
                (Some(old), None) => found.push(Difference::new(
                    name,
                    Change::Removed {
                        value: self.field(old, Side::Old),
                    },
                )),
                (None, Some(new)) => found.push(Difference::new(
                    name,
                    Change::Added {
                        value: self.field(new, Side::New),
                    },
                )),
                (None, None) => {}
            }
        }
    }

    fn compare_fields(
        &self,
        name: &str,
        old: &Field<'_>,
        new: &Field<'_>,
        found: &mut Vec<Difference>,
    ) {
        match (old, new) {
            (Field::Text(old), Field::Text(new)) => self.compare_texts(name, old, new, found),
            (Field::Json(old), Field::Json(new)) => self.compare_values(name, old, new, found),
            (old, new) => found.push(Difference::changed(
                name,
                &self.field(old, Side::Old),
                &self.field(new, Side::New),
            )),
        }
    }

    fn compare_texts(&self, name: &str, old: &[u8], new: &[u8], found: &mut Vec<Difference>) {
        if self.references.same(old, new) {
            return;
        }
        let mut readable = (self.readable(old, Side::Old), self.readable(new, Side::New));
        // An old path can be paired with two new ones, and then reads like either.
        if readable.0 == readable.1 {
            let whole = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
            readable = (whole(old), whole(new));
        }
        found.push(Difference::new(
            name,
            text::change(&readable.0, &readable.1),
        ));
    }

    fn compare_values(&self, name: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) {
        if self.same_value(old, new) {
            return;
        }
        match (old, new) {
            (Value::String(old), Value::String(new)) => {
                self.compare_texts(name, old.as_bytes(), new.as_bytes(), found);
            }
            (Value::Object(one), Value::Object(other)) => {
                let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
                names.sort();
                names.dedup();
                for inner in names {
                    let place = format!("{name}.{inner}");
                    match (one.get(inner), other.get(inner)) {
                        (Some(old), Some(new)) => self.compare_values(&place, old, new, found),
                        (Some(old), None) => found.push(Difference::new(
                            &place,
                            Change::Removed {
                                value: self.value(old, Side::Old),
                            },
                        )),
                        (None, Some(new)) => found.push(Difference::new(
                            &place,
                            Change::Added {
                                value: self.value(new, Side::New),
                            },
                        )),
                        (None, None) => {}
                    }
                }
            }
            (Value::Array(one), Value::Array(other)) => {
                let items = |list: &[Value], side| -> Vec<String> {
                    list.iter().map(|item| self.value(item, side)).collect()
                };
                let (one, other) = (items(one, Side::Old), items(other, Side::New));
                found.push(Difference::new(name, text::list_change(&one, &other)));
            }
            (old, new) => found.push(Difference::changed(
                name,
                &self.value(old, Side::Old),
                &self.value(new, Side::New),
            )),
        }
    }

    fn compare_inputs(&self, inputs: &Pairing, found: &mut Vec<Difference>) {
        // Where a variable names it already, once is enough.
        let named = |name: &str, found: &[Difference]| {
            found.iter().any(|difference| difference.mentions(name))
        };
        for &id in &inputs.removed {
            let name = self.graph.name(id);
            if !named(name, found) {
                found.push(Difference::new(
                    "input",
                    Change::Removed {
                        value: name.to_owned(),
                    },
                ));
            }
        }
        for &id in &inputs.added {
            let name = self.graph.name(id);
            if !named(name, found) {
                found.push(Difference::new(
                    "input",
                    Change::Added {
                        value: name.to_owned(),
                    },
                ));
            }
        }
        for (name, old, new) in &inputs.used_otherwise {
            if !named(name, found) {
                found.push(Difference::changed(&format!("outputs of {name}"), old, new));
            }
        }
    }

    fn field(&self, field: &Field<'_>, side: Side) -> String {
        match field {
            Field::Text(text) => self.readable(text, side),
            Field::Json(value) => self.value(value, side),
        }
    }

    fn value(&self, value: &Value, side: Side) -> String {
        match value {
            Value::String(text) => self.readable(text.as_bytes(), side),
            value => self.readable(value.to_string().as_bytes(), side),
        }
    }

    fn readable(&self, text: &[u8], side: Side) -> String {
        self.references.readable(self.graph, text, side)
    }
}

/// The environment, with the attributes of `__json` in its place.
fn fields(derivation: &Derivation) -> BTreeMap<String, Field<'_>> {
    let mut fields = BTreeMap::new();
    for (name, value) in derivation.environment() {
        if name == STRUCTURED
            && let Ok(Value::Object(attributes)) = serde_json::from_slice(value)
        {
            for (name, value) in attributes {
                let field = match value {
                    Value::String(text) => Field::Text(Cow::Owned(text.into_bytes())),
                    value => Field::Json(value),
                };
                fields.insert(name, field);
            }
        } else {
            let name = String::from_utf8_lossy(name).into_owned();
            fields.insert(name, Field::Text(Cow::Borrowed(value)));
        }
    }
    fields
}

/// An output without its path, which follows from everything else.
fn fixed<'a>(output: Output<'a>) -> (&'a str, bool, &'a str, &'a str) {
    (
        output.name,
        output.path.is_empty(),
        output.hash_algorithm,
        output.hash,
    )
}

fn compare_outputs(old: &Derivation, new: &Derivation, found: &mut Vec<Difference>) {
    let all = |derivation: &Derivation| -> BTreeMap<String, (String, bool)> {
        let outputs = derivation.outputs().map(|output| {
            let (name, only_the_build_tells, algorithm, hash) = fixed(output);
            let hash = format!("{algorithm} {hash}").trim().to_owned();
            (name.to_owned(), (hash, only_the_build_tells))
        });
        outputs.collect()
    };
    let (old, new) = (all(old), all(new));
    // The variables `outputs` and `outputHash` say it better, where they are.
    let is_listed =
        |field: &str, found: &[Difference]| found.iter().any(|known| known.field == field);
    if !old.keys().eq(new.keys()) && !is_listed("outputs", found) {
        let names = |outputs: &BTreeMap<String, (String, bool)>| -> Vec<String> {
            outputs.keys().cloned().collect()
        };
        found.push(Difference::new(
            "outputs",
            text::list_change(&names(&old), &names(&new)),
        ));
    }
    for (name, (hash, only_the_build_tells)) in &new {
        let Some((old_hash, build_told)) = old.get(name) else {
            continue;
        };
        if hash != old_hash && !is_listed("outputHash", found) {
            let none = |hash: &String| {
                if hash.is_empty() {
                    "none".to_owned()
                } else {
                    hash.clone()
                }
            };
            found.push(Difference::changed(
                &format!("hash of {name}"),
                &none(old_hash),
                &none(hash),
            ));
        } else if only_the_build_tells != build_told && hash == old_hash {
            let told = |by_build: bool| {
                if by_build {
                    "only after building"
                } else {
                    "before building"
                }
            };
            found.push(Difference::changed(
                &format!("path of {name} known"),
                told(*build_told),
                told(*only_the_build_tells),
            ));
        }
    }
}
