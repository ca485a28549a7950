//! Between definitions and the rows they are stored in.

use chrono::{DateTime, Utc};
use minimcp_entities::mcp_type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::TypeDefinition;

/// A stored type that is not a definition any more. Names the column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored type {name} cannot be read: {column}: {detail}")]
pub struct Unreadable {
    /// The type.
    pub name: String,
    /// The column at fault.
    pub column: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl TypeDefinition {
    /// The row of this definition, stored at `now`.
    #[must_use]
    pub fn to_row(&self, builtin: bool, now: DateTime<Utc>) -> mcp_type::Model {
        mcp_type::Model {
            name: self.name.clone(),
            display_name: self.display_name.clone(),
            description: self.description.clone(),
            lane: word(self.lane),
            sessions: word(self.sessions),
            server_script: self.server_script.clone(),
            command: self.command.clone(),
            package: self.package.as_ref().map(json),
            args: json(&self.args),
            mcp_path: self.mcp_path.clone(),
            config_template: Value::Object(self.config_template.clone()),
            config_locked: json(&self.config_locked),
            config_fields: (!self.config_fields.is_empty()).then(|| json(&self.config_fields)),
            required_auth: self.required_auth.clone(),
            required_scopes: json(&self.required_scopes),
            capabilities: json(&self.capabilities),
            credential_fields: json(&self.credential_fields),
            resource_limits: json(self.resource_limits),
            health_check: json(&self.health_check),
            env: json(&self.env),
            env_map: json(&self.env_map),
            credential_handover: word(self.credential_handover),
            warm: self.warm.into(),
            stateful: self.stateful,
            source: self.source.as_ref().map(json),
            builtin,
            created_at: now,
            updated_at: now,
        }
    }

    /// The definition that a row holds.
    ///
    /// # Errors
    /// [`Unreadable`] if a column holds something else than [`Self::to_row`] writes.
    pub fn from_row(row: &mcp_type::Model) -> Result<Self, Unreadable> {
        let read = Reader { name: &row.name };
        Ok(Self {
            name: row.name.clone(),
            display_name: row.display_name.clone(),
            description: row.description.clone(),
            lane: read.column("lane", &Value::from(row.lane.as_str()))?,
            sessions: read.column("sessions", &Value::from(row.sessions.as_str()))?,
            server_script: row.server_script.clone(),
            command: row.command.clone(),
            package: read.optional("package", row.package.as_ref())?,
            args: read.column("args", &row.args)?,
            mcp_path: row.mcp_path.clone(),
            config_template: read.column("config_template", &row.config_template)?,
            config_locked: read.column("config_locked", &row.config_locked)?,
            config_fields: read.optional("config_fields", row.config_fields.as_ref())?.unwrap_or_default(),
            required_auth: row.required_auth.clone(),
            required_scopes: read.column("required_scopes", &row.required_scopes)?,
            capabilities: read.column("capabilities", &row.capabilities)?,
            credential_fields: read.column("credential_fields", &row.credential_fields)?,
            resource_limits: read.column("resource_limits", &row.resource_limits)?,
            health_check: read.column("health_check", &row.health_check)?,
            env: read.column("env", &row.env)?,
            env_map: read.column("env_map", &row.env_map)?,
            credential_handover: read
                .column("credential_handover", &Value::from(row.credential_handover.as_str()))?,
            warm: read.column("warm", &Value::from(row.warm))?,
            stateful: row.stateful,
            source: read.optional("source", row.source.as_ref())?,
        })
    }
}

struct Reader<'a> {
    name: &'a str,
}

impl Reader<'_> {
    fn optional<T: DeserializeOwned>(
        &self,
        column: &'static str,
        value: Option<&Value>,
    ) -> Result<Option<T>, Unreadable> {
        value.map(|value| self.column(column, value)).transpose()
    }

    fn column<T: DeserializeOwned>(&self, column: &'static str, value: &Value) -> Result<T, Unreadable> {
        T::deserialize(value).map_err(|error| Unreadable {
            name: self.name.to_owned(),
            column,
            detail: error.to_string(),
        })
    }
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("the parts of a definition have string keys and no failing serializer")
}

fn word(value: impl Serialize) -> String {
    json(value).as_str().expect("a unit variant is a string in JSON").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{TypeDefinition, seeds};
    use chrono::DateTime;

    #[test]
    fn every_seed_survives_its_row() {
        for seed in seeds() {
            let row = seed.to_row(true, DateTime::UNIX_EPOCH);
            assert_eq!(TypeDefinition::from_row(&row).unwrap(), seed);
        }
    }

    #[test]
    fn a_row_that_was_meddled_with_is_named() {
        let mut row = seeds()[0].to_row(true, DateTime::UNIX_EPOCH);
        row.env = serde_json::json!({"A": 1});
        let error = TypeDefinition::from_row(&row).unwrap_err();
        assert_eq!((error.column, error.name.as_str()), ("env", row.name.as_str()));
    }
}
