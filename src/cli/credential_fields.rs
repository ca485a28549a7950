//! The values of a credential set: from the environment, from files, from prompts that do not echo, and for
//! those who accept that others can see it from the command line.

use std::collections::BTreeMap;
use std::io;

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
use super::values;
use crate::api::mcp_type::{CredentialFields, FieldType};

/// Where values come from.
#[derive(Debug, Default, Args)]
pub(crate) struct Sources {
    /// A field and its value. Not for secrets: other users of this machine can see command lines, and your
    /// shell keeps them
    #[arg(long = "field", value_name = "FIELD=VALUE", value_parser = values::pair)]
    fields: Vec<(String, String)>,
    /// Take a field from an environment variable
    #[arg(long, value_name = "VAR=FIELD", value_parser = values::pair)]
    from_env: Vec<(String, String)>,
    /// Take a field from a file, without the line end behind it; for keys of several lines
    #[arg(long, value_name = "PATH=FIELD", value_parser = values::pair)]
    from_file: Vec<(String, String)>,
}

impl Sources {
    /// The values for a type that has these fields. What is required and missing is asked for, if it can be.
    pub(crate) fn collect(
        self,
        known: &CredentialFields,
        mut ask: Option<impl FnMut(&str) -> io::Result<String>>,
    ) -> Result<BTreeMap<String, Value>, Failure> {
        let mut found = BTreeMap::new();
        let alone = self.fields.is_empty() && self.from_env.is_empty() && self.from_file.is_empty();
        for (field, text) in self.texts()? {
            if found.contains_key(&field) {
                return Err(Failure::usage(format!("the field `{field}` is given twice")));
            }
            let value = typed(known, &field, text)?;
            found.insert(field, value);
        }
        let missing: Vec<&String> =
            known.required.iter().filter(|field| !found.contains_key(*field)).collect();
        match &mut ask {
            Some(ask) => {
                // Who gave some fields by other ways has decided about the optional ones.
                let optional = known.optional.iter().filter(|_| alone).map(|field| (field, true));
                for (field, optional) in missing.into_iter().map(|field| (field, false)).chain(optional) {
                    let remark = if optional { " (optional, Enter to leave it out)" } else { "" };
                    let text = ask(&format!("{field}{remark}: ")).map_err(|error| {
                        Failure::new(format!("`{field}` could not be asked for: {error}"))
                    })?;
                    match (text.is_empty(), optional) {
                        (true, true) => {}
                        (true, false) => {
                            return Err(Failure::usage(format!("the field `{field}` is required")));
                        }
                        (false, _) => {
                            let value = typed(known, field, text)?;
                            found.insert(field.clone(), value);
                        }
                    }
                }
                Ok(found)
            }
            None if missing.is_empty() => Ok(found),
            None => {
                let names: Vec<String> = missing.iter().map(|field| format!("`{field}`")).collect();
                let example = missing.first().map_or("", |field| field.as_str());
                Err(Failure::usage(format!("required fields are missing: {}", names.join(", ")))
                    .next(format!(
                        "give them with --from-env VARIABLE={example} or --from-file PATH={example}"
                    ))
                    .next("or run it on a terminal to be asked"))
            }
        }
    }

    fn texts(self) -> Result<Vec<(String, String)>, Failure> {
        let mut texts = self.fields;
        for (variable, field) in self.from_env {
            let text = std::env::var(&variable)
                .map_err(|error| Failure::usage(format!("the environment variable `{variable}`: {error}")))?;
            texts.push((field, text));
        }
        for (path, field) in self.from_file {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Failure::usage(format!("the file `{path}` cannot be read: {error}")))?;
            let text =
                text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
            texts.push((field, text.to_owned()));
        }
        Ok(texts)
    }
}

/// The value as the type of the field wants it. No message repeats the value.
fn typed(known: &CredentialFields, field: &str, text: String) -> Result<Value, Failure> {
    let fields: Vec<&str> = known.names().collect();
    if !fields.contains(&field) {
        let all = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
        return Err(
            Failure::usage(format!("the type has no field `{field}`")).next(format!("its fields are: {all}"))
        );
    }
    let wanted = known.type_of(field);
    let value = match wanted {
        FieldType::Number => text.parse().ok().map(Value::Number),
        FieldType::Boolean => text.parse().ok().map(Value::Bool),
        FieldType::String => Some(Value::String(text)),
    };
    value.ok_or_else(|| Failure::usage(format!("the field `{field}` has to be a {}", wanted.as_str())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Ask = fn(&str) -> io::Result<String>;

    fn known() -> CredentialFields {
        CredentialFields {
            required: vec!["token".into(), "port".into()],
            optional: vec!["tls".into()],
            field_types: [("port".into(), FieldType::Number), ("tls".into(), FieldType::Boolean)].into(),
            primary: Some("token".into()),
        }
    }

    fn given(fields: &[(&str, &str)]) -> Sources {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Sources { fields, ..Sources::default() }
    }

    #[test]
    fn values_get_the_type_of_their_field() {
        let found =
            given(&[("token", "123"), ("port", "80"), ("tls", "true")]).collect(&known(), None::<Ask>);
        assert_eq!(json!(found.unwrap()), json!({"token": "123", "port": 80, "tls": true}));
        let wrong =
            given(&[("token", "s3cret"), ("port", "s3cret")]).collect(&known(), None::<Ask>).unwrap_err();
        assert!(wrong.what().contains("number") && !wrong.to_string().contains("s3cret"), "{wrong}");
        let unknown = given(&[("tokn", "x")]).collect(&known(), None::<Ask>).unwrap_err();
        assert!(unknown.to_string().contains("token, port, tls"), "{unknown}");
        assert!(given(&[("token", "x"), ("token", "y")]).collect(&known(), None::<Ask>).is_err());
    }

    #[test]
    fn what_is_missing_is_asked_for_and_otherwise_named() {
        let mut asked = Vec::new();
        let found = given(&[]).collect(
            &known(),
            Some(|question: &str| {
                asked.push(question.to_owned());
                Ok(if question.starts_with("port") {
                    "1".into()
                } else if question.starts_with("tls") {
                    String::new()
                } else {
                    "t".into()
                })
            }),
        );
        assert_eq!(json!(found.unwrap()), json!({"token": "t", "port": 1}));
        assert_eq!(asked, ["token: ", "port: ", "tls (optional, Enter to leave it out): "]);
        let missing = given(&[("token", "x")]).collect(&known(), None::<Ask>).unwrap_err();
        assert!(
            missing.to_string().contains("`port`") && !missing.to_string().contains("`token`"),
            "{missing}"
        );
    }

    #[test]
    fn a_file_loses_its_last_line_end_only() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a\nb\n\n").unwrap();
        let path = file.path().display().to_string();
        let sources = Sources { from_file: vec![(path, "token".into())], ..given(&[("port", "1")]) };
        assert_eq!(sources.collect(&known(), None::<Ask>).unwrap()["token"], "a\nb\n");
    }
}
