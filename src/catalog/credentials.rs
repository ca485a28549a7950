//! A credential set in the clear: checked against its type, never shown, wiped when dropped.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Number, Value};
use zeroize::Zeroizing;

use super::fault::{FaultKind, Faults, Invalid};
use super::{CredentialFields, FieldType};

/// Longest value, in bytes.
const MAX_VALUE: usize = 32 * 1024;
/// Longest set, as JSON in bytes. It is handed over in one variable, which Linux cuts at 128 KiB
/// (`MAX_ARG_STRLEN`) with its name.
const MAX_SET: usize = 128 * 1024 - 64;
/// A hint is given only of values that it tells little of.
const HINT_FROM: usize = 16;
const HINT_LENGTH: usize = 4;

/// A checked credential set. It can be neither printed nor serialised by accident.
#[derive(Clone)]
pub struct Credentials(BTreeMap<String, Field>);

#[derive(Clone)]
enum Field {
    Text(SecretString),
    Number(Number),
    Boolean(bool),
}

impl Credentials {
    /// Checks what was given against the fields of the type.
    ///
    /// # Errors
    /// [`Invalid`] with every field that is missing, unknown, of another type, empty or too long. The words
    /// never repeat a value.
    pub fn check(given: Map<String, Value>, fields: &CredentialFields) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        for name in &fields.required {
            if !given.contains_key(name) {
                faults.add_kind(FaultKind::Missing, &["fields", name], "is required");
            }
        }
        let mut checked = BTreeMap::new();
        for (name, value) in given {
            let path = ["fields", name.as_str()];
            if !fields.names().any(|known| known == name) {
                faults.add_kind(FaultKind::Unknown, &path, "is not a field of this type");
                continue;
            }
            match (fields.type_of(&name), value) {
                (FieldType::String, Value::String(text)) => {
                    faults.require(!text.is_empty(), &path, "must not be empty");
                    faults.require(text.len() <= MAX_VALUE, &path, "must be at most 32 KiB");
                    faults.require(!text.contains('\0'), &path, "must not hold NUL");
                    checked.insert(name, Field::Text(text.into()));
                }
                (FieldType::Number, Value::Number(number)) => {
                    checked.insert(name, Field::Number(number));
                }
                (FieldType::Boolean, Value::Bool(truth)) => {
                    checked.insert(name, Field::Boolean(truth));
                }
                (wanted, _) => faults.add(&path, format!("must be a {}", wanted.as_str())),
            }
        }
        let checked = Self(checked);
        faults.require(checked.to_json().len() <= MAX_SET, &["fields"], "must be at most 128 KiB together");
        faults.or(checked)
    }

    /// From the JSON that [`Self::to_json`] made and the vault opened again.
    ///
    /// # Errors
    /// [`NotASet`] if it is anything else.
    pub fn from_json(json: &[u8]) -> Result<Self, NotASet> {
        let fields: Map<String, Value> = serde_json::from_slice(json).map_err(|_| NotASet)?;
        let read = |value| match value {
            Value::String(text) => Ok(Field::Text(text.into())),
            Value::Number(number) => Ok(Field::Number(number)),
            Value::Bool(truth) => Ok(Field::Boolean(truth)),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(NotASet),
        };
        let fields = fields.into_iter().map(|(name, value)| Ok((name, read(value)?)));
        fields.collect::<Result<_, _>>().map(Self)
    }

    /// All fields as one JSON object, to be sealed or handed to the server.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let fields =
            self.0.iter().map(|(name, field)| (Value::from(name.as_str()).to_string(), field.json()));
        let fields: Vec<(String, Zeroizing<String>)> = fields.collect();
        let length = fields.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
        // Room for all of it at once: a text that grows leaves copies behind.
        let mut json = Zeroizing::new(String::with_capacity(length + 2));
        json.push('{');
        for (n, (name, value)) in fields.iter().enumerate() {
            if n > 0 {
                json.push(',');
            }
            json.push_str(name);
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        json
    }

    /// Names of the fields that are set, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// The value of a field as the text of a variable.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).map(|field| match field {
            Field::Text(text) => text.clone(),
            Field::Number(number) => number.to_string().into(),
            Field::Boolean(truth) => truth.to_string().into(),
        })
    }

    /// The last four characters of the primary field, if it is a text of at least 16 characters: of a shorter
    /// one they would give too much away.
    #[must_use]
    pub fn hint(&self, fields: &CredentialFields) -> Option<String> {
        let Field::Text(text) = self.0.get(fields.primary()?)? else {
            return None;
        };
        let text = text.expose_secret();
        let length = text.chars().count();
        (length >= HINT_FROM).then(|| text.chars().skip(length - HINT_LENGTH).collect())
    }
}

impl Field {
    fn json(&self) -> Zeroizing<String> {
        let mut json = Zeroizing::new(Vec::new());
        match self {
            Self::Text(text) => {
                let text = text.expose_secret();
                // Six bytes for a control character is the most that JSON makes of one byte.
                json.reserve_exact(text.len() * 6 + 2);
                serde_json::to_writer(&mut *json, text).expect("a string can be written to memory");
            }
            Self::Number(number) => json.extend_from_slice(number.to_string().as_bytes()),
            Self::Boolean(truth) => json.extend_from_slice(truth.to_string().as_bytes()),
        }
        Zeroizing::new(std::str::from_utf8(&json).expect("serde_json writes UTF-8").to_owned())
    }
}

impl fmt::Debug for Credentials {
    /// Names of fields, no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.0.keys()).finish()
    }
}

/// Bytes that are no credential set. Says nothing of what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the opened credentials are not a JSON object of strings, numbers and booleans")]
pub struct NotASet;

#[cfg(test)]
mod tests {
    use super::{Credentials, NotASet};
    use crate::catalog::{CredentialFields, FaultKind, Invalid};
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    const TOKEN: &str = "ghp_CANARY_0123456789abcdef";

    fn fields() -> CredentialFields {
        serde_json::from_value(json!({
            "required": ["token"], "optional": ["port", "strict"],
            "field_types": {"port": "number", "strict": "boolean"},
        }))
        .unwrap()
    }

    fn check(given: Value) -> Result<Credentials, Invalid> {
        Credentials::check(given.as_object().unwrap().clone(), &fields())
    }

    #[test]
    fn missing_unknown_and_misfit_fields_are_all_told_and_no_value_is() {
        let invalid = check(json!({"port": TOKEN, "strict": 1, "tokn": TOKEN})).unwrap_err();
        let told: Vec<_> = invalid.faults.iter().map(|fault| (fault.kind, fault.pointer.as_str())).collect();
        assert_eq!(
            told,
            [
                (FaultKind::Missing, "/fields/token"),
                (FaultKind::Misfit, "/fields/port"),
                (FaultKind::Misfit, "/fields/strict"),
                (FaultKind::Unknown, "/fields/tokn"),
            ]
        );
        assert!(!format!("{invalid} {invalid:?}").contains("CANARY"));
    }

    #[test]
    fn values_are_bounded() {
        for (value, fits) in [
            (json!(""), false),
            (json!("a\0b"), false),
            (json!(null), false),
            (json!("x".repeat(32 * 1024)), true),
            (json!("x".repeat(32 * 1024 + 1)), false),
        ] {
            assert_eq!(check(json!({"token": value})).is_ok(), fits);
        }
        // As JSON, each of these bytes takes six.
        let invalid = check(json!({"token": "\u{1}".repeat(32 * 1024)})).unwrap_err();
        assert_eq!(invalid.faults[0].pointer, "/fields");
    }

    #[test]
    fn json_round_trips_with_every_escape() {
        let given = json!({"token": "q\"\\\n\u{1}ü🔑", "port": 8080.5, "strict": true});
        let credentials = check(given.clone()).unwrap();
        let json = credentials.to_json();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), given);
        let again = Credentials::from_json(json.as_bytes()).unwrap();
        assert_eq!(again.to_json(), json);
        assert_eq!(again.names(), ["port", "strict", "token"]);
        assert_eq!(again.text("port").unwrap().expose_secret(), "8080.5");
        assert!(again.text("other").is_none());
        for bytes in ["[]", "{\"a\":null}", "{\"a\":{}}", ""] {
            assert!(matches!(Credentials::from_json(bytes.as_bytes()), Err(NotASet)));
        }
    }

    #[test]
    fn a_hint_is_given_only_of_long_texts() {
        for (token, hint) in [
            ("123456", None),
            ("123456789012345", None),
            ("1234567890123456", Some("3456")),
            ("äöüäöüäöüäöüäöüß", Some("äöüß")),
        ] {
            let credentials = check(json!({"token": token})).unwrap();
            assert_eq!(credentials.hint(&fields()).as_deref(), hint, "{token}");
        }
        let mut by_number = fields();
        by_number.primary = Some("port".into());
        let credentials = check(json!({"token": TOKEN, "port": 1_234_567_890_123_456_789_u64})).unwrap();
        assert_eq!(credentials.hint(&by_number), None);
    }

    #[test]
    fn debug_shows_names_only() {
        let credentials = check(json!({"token": TOKEN})).unwrap();
        assert_eq!(format!("{credentials:?}"), r#"Credentials(["token"])"#);
    }
}
