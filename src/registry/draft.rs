//! The arguments and variables of a package as those of a type: constants stay, secrets become credential fields, and
//! everything else that a user may say becomes a field of the configuration.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{Argument, ArgumentKind, Input, Package};
use super::transport::{Endpoint, Port};
use crate::catalog::{ConfigField, ConfigKind, variables};

/// The parts of a type that come from arguments and variables.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) env_map: BTreeMap<String, String>,
    pub(super) template: BTreeMap<String, Value>,
    pub(super) fields: BTreeMap<String, ConfigField>,
    pub(super) required: Vec<String>,
    pub(super) optional: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) mcp_path: Option<String>,
    /// What is told the port, and whether anything was.
    port: Option<Port>,
    told: bool,
}

impl Draft {
    /// From now on, what is meant by this endpoint's port is filled with the one that an instance is given.
    pub(super) fn fill_port(&mut self, endpoint: &Endpoint) {
        self.port = Some(endpoint.port.clone());
    }

    /// Whether the server learns its port: by an argument or a variable, or by `PORT`, which every server has.
    pub(super) fn port_is_told(&self, endpoint: &Endpoint) -> bool {
        self.told || endpoint.port == Port::Named("PORT".into())
    }

    fn is_port(&self, names: &[&str], input: &Input) -> bool {
        match &self.port {
            None => false,
            Some(Port::Named(wanted)) => names.iter().any(|name| name.trim_start_matches('-') == wanted),
            Some(Port::Number(number)) => {
                let about_ports = names.iter().any(|name| name.to_ascii_lowercase().contains("port"));
                about_ports
                    && [&input.value, &input.default].into_iter().flatten().any(|value| value == number)
            }
        }
    }

    /// What the runner of the package is told has no meaning here, unless it only says what is done anyway.
    pub(super) fn runtime_arguments(&mut self, package: &Package) -> Result<(), String> {
        for argument in &package.runtime_arguments {
            let name = argument.name.as_deref().unwrap_or_default();
            let value = argument.input.value.as_deref().unwrap_or_default();
            let own = value.split(['@', '=']).next() == Some(package.identifier.as_str())
                || value == package.identifier;
            let harmless =
                matches!((name, value), ("-y" | "--yes" | "-q" | "--quiet", _) | ("", "-y" | "--yes"))
                    || name == "--from" && own
                    || name.is_empty() && own;
            if !harmless {
                let shown = format!("{name} {value}");
                return Err(format!(
                    "its runner is to be told {:?}, which has no meaning here",
                    shown.trim()
                ));
            }
        }
        Ok(())
    }

    pub(super) fn arguments(&mut self, package: &Package) -> Result<(), String> {
        for (n, argument) in package.package_arguments.iter().enumerate() {
            self.argument(argument, n)?;
        }
        Ok(())
    }

    fn argument(&mut self, argument: &Argument, n: usize) -> Result<(), String> {
        let Argument { kind, name, value_hint, is_repeated, input } = argument;
        let flag = name.as_deref().filter(|_| *kind == ArgumentKind::Named);
        let hint = value_hint.as_deref().or(flag).map_or_else(|| format!("argument_{n}"), str::to_owned);
        if self.is_port(&[&hint, flag.unwrap_or_default()], input) {
            self.told = true;
            self.args.push(flag.map_or_else(|| "{port}".to_owned(), |flag| format!("{flag}={{port}}")));
            return Ok(());
        }
        let holds_secret = input.is_secret && input.value.is_none();
        if holds_secret || input.variables.values().any(|variable| variable.is_secret) {
            return Err(format!(
                "the argument {hint} is a secret, which others could see in its command line"
            ));
        }
        let text = self.text(input, &hint, *is_repeated)?;
        self.args.push(match flag {
            Some(flag) if input.value.as_deref() == Some("") => flag.to_owned(),
            Some(flag) => format!("{flag}={text}"),
            None => text,
        });
        Ok(())
    }

    pub(super) fn variables(&mut self, package: &Package) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for variable in &package.environment_variables {
            let (name, input) = (variable.name.as_str(), &variable.input);
            if !seen.insert(name) {
                return Err(format!("it sets the variable {name} twice"));
            }
            if name == "PORT" && self.port.is_some() {
                // Every server gets it.
                self.told = true;
                continue;
            }
            if let Some(refusal) = variables::refusal(name) {
                if input.is_required || input.value.is_some() {
                    return Err(format!("it needs the variable {name}: {refusal}"));
                }
                self.warnings.push(format!("the variable {name} is left out: {refusal}"));
                continue;
            }
            if self.is_port(&[name], input) {
                self.told = true;
                self.env.insert(name.to_owned(), "{port}".to_owned());
            } else if input.is_secret && input.value.is_none() {
                let field = name.to_ascii_lowercase();
                let list = if input.is_required { &mut self.required } else { &mut self.optional };
                list.push(field.clone());
                self.env_map.insert(field, name.to_owned());
            } else {
                if input.variables.values().any(|part| part.is_secret) {
                    return Err(format!(
                        "the variable {name} is put together with a secret, which cannot be done here"
                    ));
                }
                let text = self.text(input, name, false)?;
                self.env.insert(name.to_owned(), text);
            }
        }
        Ok(())
    }

    /// The text of an input: its constant with its variables filled, or the place of a field for it.
    fn text(&mut self, input: &Input, hint: &str, repeated: bool) -> Result<String, String> {
        let Some(value) = &input.value else {
            return self.field(input, hint, repeated);
        };
        let mut text = value.clone();
        if ["{config.", "{home}", "{port}"].iter().any(|place| text.contains(place)) {
            return Err(format!("the constant {value:?} looks like a place that is filled here"));
        }
        for (name, variable) in &input.variables {
            let place = format!("{{{name}}}");
            if text.contains(&place) {
                text = text.replace(&place, &self.text(variable, name, false)?);
            }
        }
        Ok(text)
    }

    /// A field of the configuration for an input, and the place that it fills.
    fn field(&mut self, input: &Input, hint: &str, repeated: bool) -> Result<String, String> {
        let key = self.free_key(hint);
        let kind = match input.format.as_deref() {
            Some("number") => ConfigKind::Number,
            Some("boolean") => ConfigKind::Boolean,
            Some("filepath") => ConfigKind::File,
            _ => ConfigKind::String,
        };
        let default = match input.default.as_deref() {
            None => Value::Null,
            Some(text) => match kind {
                ConfigKind::Number | ConfigKind::Boolean => serde_json::from_str(text)
                    .ok()
                    .filter(|value: &Value| {
                        value.is_number() == (kind == ConfigKind::Number) && !value.is_string()
                    })
                    .ok_or_else(|| format!("the default {text:?} of {hint} is not of its format"))?,
                ConfigKind::String | ConfigKind::File | ConfigKind::Directory => Value::from(text),
            },
        };
        let default = if repeated && !default.is_null() { Value::from(vec![default]) } else { default };
        self.template.insert(key.clone(), default);
        let field = ConfigField {
            kind,
            description: input.description.clone().unwrap_or_default(),
            required: input.is_required,
            choices: if kind == ConfigKind::File {
                Vec::new()
            } else {
                input.choices.clone().unwrap_or_default()
            },
            below: Vec::new(),
        };
        self.fields.insert(key.clone(), field);
        Ok(format!("{{config.{key}}}"))
    }

    /// A key that nothing else has.
    fn free_key(&self, hint: &str) -> String {
        let plain = hint.trim_start_matches('-').to_ascii_lowercase();
        let plain: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let plain = if plain.is_empty() { "value".to_owned() } else { plain };
        let mut key = plain.clone();
        let mut n = 2;
        while self.template.contains_key(&key) {
            key = format!("{plain}_{n}");
            n += 1;
        }
        key
    }
}
