//! Whether what a driver says is what a scenario expects: tables have at least the keys, lists exactly the items, and
//! `"$x"` is bound where it stands first. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What expectations have bound, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bound(BTreeMap<String, Value>);

impl Bound {
    /// Checks `actual`, and binds what is not bound yet.
    ///
    /// *Errors*: a sentence that names the place.
    pub(crate) fn check(&mut self, expected: &Value, actual: &Value) -> Result<(), String> {
        let mut bound = self.clone();
        bound.at("", expected, actual)?;
        *self = bound;
        Ok(())
    }

    fn at(&mut self, place: &str, expected: &Value, actual: &Value) -> Result<(), String> {
        match (expected, actual) {
            (Value::String(text), _) if text == "*" && !actual.is_null() => Ok(()),
            (Value::String(text), _) if text.starts_with('$') => self.bind(place, &text[1..], actual),
            (Value::Object(expected), _) if expected.len() == 1 && expected.contains_key("at_least") => {
                let reached = actual.as_f64() >= expected["at_least"].as_f64() && actual.is_number();
                reached.then_some(()).ok_or_else(|| wrong(place, &Value::Object(expected.clone()), actual))
            }
            (Value::Object(expected), Value::Object(actual)) => {
                expected.iter().try_for_each(|(key, expected)| {
                    let actual = actual.get(key).unwrap_or(&Value::Null);
                    self.at(&format!("{place}.{key}"), expected, actual)
                })
            }
            (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
                let mut pairs = expected.iter().zip(actual).enumerate();
                pairs.try_for_each(|(index, (expected, actual))| {
                    self.at(&format!("{place}[{index}]"), expected, actual)
                })
            }
            _ if expected == actual => Ok(()),
            // Empty and absent are the same.
            (Value::String(text), Value::Null) if text.is_empty() => Ok(()),
            (Value::Array(items), Value::Null) if items.is_empty() => Ok(()),
            (Value::Object(keys), Value::Null) if keys.is_empty() => Ok(()),
            _ => Err(wrong(place, expected, actual)),
        }
    }

    fn bind(&mut self, place: &str, name: &str, actual: &Value) -> Result<(), String> {
        match self.0.get(name) {
            Some(bound) if bound == actual => Ok(()),
            Some(bound) => Err(wrong(place, bound, actual)),
            None if actual.is_null() => Err(wrong(place, &Value::String(format!("${name}")), actual)),
            None => {
                self.0.insert(name.to_owned(), actual.clone());
                Ok(())
            }
        }
    }

    /// Arguments with what is bound in the place of its names.
    pub(crate) fn fill(&self, arguments: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        arguments.iter().map(|(key, value)| Ok((key.clone(), self.filled(value)?))).collect()
    }

    fn filled(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::String(text) if text.starts_with('$') => {
                let bound = self.0.get(&text[1..]);
                bound.cloned().ok_or_else(|| format!("{text} is not bound"))
            }
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(table) => self.fill(table).map(Value::Object),
            other => Ok(other.clone()),
        }
    }
}

fn wrong(place: &str, expected: &Value, actual: &Value) -> String {
    let place = if place.is_empty() { "all of it" } else { place.trim_start_matches('.') };
    format!("{place} should be {expected} and is {actual}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_must_have_what_is_expected_and_may_have_more() {
        let mut bound = Bound::default();
        let actual = json!({"a": 1, "b": {"c": "x", "d": 2}});
        bound.check(&json!({"b": {"c": "x"}}), &actual).unwrap();
        let wrong = bound.check(&json!({"b": {"c": "y"}}), &actual).unwrap_err();
        assert_eq!(wrong, r#"b.c should be "y" and is "x""#);
        assert!(bound.check(&json!({"z": 1}), &actual).is_err());
        assert!(bound.check(&json!({"z": ""}), &actual).is_ok());
    }

    #[test]
    fn a_list_must_have_exactly_the_items() {
        let mut bound = Bound::default();
        bound.check(&json!([{"a": 1}, "*"]), &json!([{"a": 1, "b": 2}, 7])).unwrap();
        assert!(bound.check(&json!([1]), &json!([1, 2])).is_err());
        assert!(bound.check(&json!([1, 2]), &json!([2, 1])).is_err());
    }

    #[test]
    fn a_name_is_bound_where_it_stands_first() {
        let mut bound = Bound::default();
        bound.check(&json!({"id": "$job"}), &json!({"id": "j1"})).unwrap();
        bound.check(&json!("$job"), &json!("j1")).unwrap();
        assert!(bound.check(&json!("$job"), &json!("j2")).is_err());
        assert!(bound.check(&json!("$other"), &Value::Null).is_err());
        let arguments = json!({"job_id": "$job", "deep": ["$job"]});
        let filled = bound.fill(arguments.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(filled), json!({"job_id": "j1", "deep": ["j1"]}));
    }

    #[test]
    fn what_fails_binds_nothing() {
        let mut bound = Bound::default();
        assert!(bound.check(&json!({"a": "$x", "b": 1}), &json!({"a": 5, "b": 2})).is_err());
        assert!(bound.filled(&json!("$x")).is_err());
    }

    #[test]
    fn a_number_may_be_at_least_something() {
        let mut bound = Bound::default();
        bound.check(&json!({"n": {"at_least": 2}}), &json!({"n": 3})).unwrap();
        assert!(bound.check(&json!({"at_least": 2}), &json!(1)).is_err());
        assert!(bound.check(&json!({"at_least": 2}), &json!("3")).is_err());
    }
}
