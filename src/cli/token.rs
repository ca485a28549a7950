//! `token`, and how an access token is shown and kept.

use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::failure::Failure;
use super::{Context, table, values};
use crate::api::instance::{AccessToken, Instance, RotateToken};
use crate::instances::client_config::slug;

/// Replace the access token of an instance
///
/// The new token is shown this once. It is also kept in a file that only you can read, `tokens/ID` in the
/// daemon's data directory or in your configuration directory, so that `minimcp call` finds it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  minimcp token work --overlap 5m    # the old one works for five more minutes"
)]
pub(crate) struct Token {
    /// The instance: its id, a unique prefix of it, or its name
    id: String,
    /// How long the old token goes on working, at most a day
    #[arg(long, value_name = "TIME", value_parser = values::span_or_zero, default_value = "0s")]
    overlap: Duration,
}

impl Token {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let id = context.instance(&self.id).await?;
        let path = format!("/v1/instances/{id}");
        let overlap = values::whole_seconds(self.overlap);
        let body = RotateToken { overlap_seconds: (overlap > 0).then_some(overlap) };
        let answer = context.client.post_json(&format!("{path}/token"), &body).await?;
        let token: AccessToken = answer.read()?;
        // Kept before anything else can fail: nobody can ask for it again.
        let secret = SecretString::from(token.access_token.clone());
        let kept = context.tokens.keep(id, &secret);
        if context.output.json() {
            return context.output.text(&answer.0);
        }
        if let Some(until) = token.previous_valid_until {
            let until = table::moment(until, chrono::Utc::now());
            context.output.line(format!("The old token works until {until}."))?;
        }
        let shown = Shown { token: &token.access_token, kept: kept.map_err(|error| error.to_string()) };
        match context.client.get(&path, &[]).await.and_then(|answer| answer.read::<Instance>()) {
            Ok(instance) => context.output.line(shown.with(&instance)),
            // The token is worth more than what surrounds it.
            Err(failure) => {
                context.output.line(&token.access_token)?;
                Err(failure)
            }
        }
    }
}

/// A token that is shown this once.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) token: &'a str,
    /// Where it is kept, or why it is not.
    pub(crate) kept: Result<std::path::PathBuf, String>,
}

impl Shown<'_> {
    /// The token with what to type next.
    pub(crate) fn with(&self, instance: &Instance) -> String {
        let Self { token, kept } = self;
        let kept = match kept {
            Ok(path) => format!("kept for `minimcp call` in {}", path.display()),
            Err(error) => format!("not kept for `minimcp call`: {error}"),
        };
        let rows = [
            ("url", instance.access_url.clone()),
            ("token", (*token).to_owned()),
            ("", format!("shown this once; {kept}")),
        ];
        let name = slug(instance.name.as_deref().unwrap_or(&instance.mcp_type));
        let id = instance.id;
        let url = &instance.access_url;
        format!(
            "{}\n\nTry it:\n  minimcp call {id}\nUse it in Claude Code:\n  claude mcp add --transport http {name} {url} \
             --header \"Authorization: Bearer {token}\"\nFor other clients:\n  minimcp client-config {id} --client cursor",
            table::details(&rows)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::instance::Status;
    use crate::cli::instances::tests::instance;

    #[test]
    fn a_new_token_comes_with_lines_to_paste() {
        let shown = Shown { token: "mmcp_inst_x", kept: Ok("/k/tokens/1".into()) };
        let text = shown.with(&instance(Status::Running));
        for part in [
            "token  mmcp_inst_x\n",
            "shown this once; kept for `minimcp call` in /k/tokens/1",
            "minimcp call 0192f3a4-5b6c-7000-8000-000000000001\n",
            "claude mcp add --transport http work http://127.0.0.1:7878/i/0192f3a4-5b6c-7000-8000-000000000001/mcp \
             --header \"Authorization: Bearer mmcp_inst_x\"",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
