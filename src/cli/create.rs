//! `create`: a new instance, and what to do with it.

use std::time::Duration;

use chrono::Utc;
use clap::{Args, ValueEnum};
use secrecy::SecretString;

use super::credentials;
use super::failure::Failure;
use super::token::Shown;
use super::{Context, lifecycle, table, values, waiting};
use crate::api::instance::{
    CreateInstance, CreatedInstance, DeclaredLimits, Instance, RestartPolicy, RestartRules, Status,
};

/// Create an instance: your own server of a type
///
/// Prints the URL and the access token to use it with. The token is shown this once; it is also kept in a
/// file that only you can read, `tokens/ID` in the daemon's data directory or in your configuration
/// directory, so that `minimcp call` finds it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp create github --credential default --ttl 2h --wait
  minimcp create github --name work --idle 10m --config timeout_ms=5000 --debug

Values of --config are JSON where they can be read as JSON, and text otherwise.")]
pub(crate) struct Create {
    /// The type, such as github; `minimcp types` lists them
    #[arg(value_name = "TYPE")]
    mcp_type: String,
    /// The credential set to run with: its id, a unique prefix of it, or its name
    #[arg(long, value_name = "CREDENTIAL")]
    credential: Option<String>,
    /// How long the instance lives [default: what the daemon is set to, 60m]
    #[arg(long, value_name = "TIME", value_parser = values::span)]
    ttl: Option<Duration>,
    /// Put it to sleep after this long without a call; the next call wakes it
    #[arg(long, value_name = "TIME", value_parser = values::span)]
    idle: Option<Duration>,
    /// What you call it
    #[arg(long)]
    name: Option<String>,
    /// Configuration, over what the type says; can be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::pair)]
    config: Vec<(String, String)>,
    /// Have the server write its debug output
    #[arg(long)]
    debug: bool,
    /// Which ends of the server lead to a new run [default: permanent]
    #[arg(long, value_name = "POLICY")]
    restart: Option<Policy>,
    /// A tighter memory limit than the type's, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    max_memory: Option<u32>,
    /// A tighter CPU limit than the type's, in percent of one core
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..))]
    max_cpu: Option<u32>,
    /// Fewer processes and threads than the type allows
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(16..))]
    max_processes: Option<u32>,
    /// Wait until it runs
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Policy {
    /// Every end
    Permanent,
    /// Every end but an exit with code 0
    Transient,
    /// None
    Temporary,
}

impl Create {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let credential_id = match &self.credential {
            Some(wanted) => Some(credentials::meant(context, wanted, Some(&self.mcp_type)).await?),
            None => None,
        };
        let wait = self.wait;
        let request = CreateInstance { credential_id, ..self.request() };
        let created = context.client.create("/v1/instances", &request).await;
        let mut answer = created.map_err(|failure| advised(failure, &request.mcp_type))?;
        let created: CreatedInstance = answer.read()?;
        // Kept before anything else can fail: nobody can ask for it again.
        let kept =
            context.tokens.keep(created.instance.id, &SecretString::from(created.access_token.clone()));
        let kept = kept.map_err(|error| error.to_string());
        let shown = Shown { token: &created.access_token, kept };
        if !context.output.json() {
            let lease = table::moment(created.instance.expires_at, Utc::now());
            let instance = &created.instance;
            context
                .output
                .line(format!("{} is made; its lease ends {lease}.", lifecycle::named(instance)))?;
            context.output.line(shown.with(instance))?;
        }
        if wait {
            match waiting::until(context, created.instance.id, Status::Running, Duration::from_secs(180))
                .await
            {
                Ok(now) => {
                    let instance: Instance = now.read()?;
                    if context.output.json() {
                        let now = CreatedInstance { instance, access_token: created.access_token.clone() };
                        answer.0 = serde_json::to_string(&now).unwrap_or(answer.0);
                    } else {
                        context.output.line(format!("\nIt is {}.", instance.status))?;
                    }
                }
                Err(failure) => {
                    // The instance is there, so its token must not get lost.
                    if context.output.json() {
                        context.output.text(&answer.0)?;
                    }
                    return Err(failure);
                }
            }
        }
        if context.output.json() { context.output.text(&answer.0) } else { Ok(()) }
    }

    fn request(self) -> CreateInstance {
        let lease = self.ttl.map(|ttl| values::lease(ttl, Utc::now())).unwrap_or_default();
        let limits = DeclaredLimits {
            max_memory_mb: self.max_memory,
            max_cpu_percent: self.max_cpu,
            max_processes: self.max_processes,
        };
        let policy = self.restart.map(|policy| match policy {
            Policy::Permanent => RestartPolicy::Permanent,
            Policy::Transient => RestartPolicy::Transient,
            Policy::Temporary => RestartPolicy::Temporary,
        });
        CreateInstance {
            mcp_type: self.mcp_type,
            credential_id: None,
            expiration_minutes: lease.minutes,
            expires_at: lease.until,
            config: (!self.config.is_empty()).then(|| values::object_of_pairs(&self.config)),
            name: self.name,
            debug: self.debug.then_some(true),
            idle_timeout_seconds: self.idle.map(values::whole_seconds),
            restart: policy.map(|policy| RestartRules { policy: Some(policy), ..RestartRules::default() }),
            limits: (limits != DeclaredLimits::default()).then_some(limits),
        }
    }
}

fn advised(failure: Failure, mcp_type: &str) -> Failure {
    match failure.code() {
        Some("unknown_type") => failure.next("`minimcp types` lists the types"),
        Some("credential_required") => failure
            .next(format!("`minimcp credentials add {mcp_type}`, then add --credential default"))
            .next("`minimcp credentials` lists the sets you have"),
        Some("lease_too_long") => failure.next("give a shorter --ttl; `minimcp extend` prolongs it later"),
        Some("quota_exceeded") => failure.next("`minimcp ls`, then `minimcp rm` what you no longer need"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn request(line: &str) -> serde_json::Value {
        let line = std::iter::once("create").chain(line.split_whitespace());
        json!(Line::try_parse_from(line).unwrap().create.request())
    }

    #[test]
    fn the_request_holds_what_was_said_and_nothing_else() {
        assert_eq!(request("github"), json!({"mcp_type": "github"}));
        assert_eq!(
            request(
                "github --ttl 2h --idle 90s --name work --config timeout_ms=5 --config base=x --debug \
                 --restart transient --max-memory 64"
            ),
            json!({
                "mcp_type": "github", "expiration_minutes": 120, "idle_timeout_seconds": 90, "name": "work",
                "config": {"timeout_ms": 5, "base": "x"}, "debug": true, "restart": {"policy": "transient"},
                "limits": {"max_memory_mb": 64, "max_cpu_percent": null, "max_processes": null}
            })
        );
        assert!(request("github --ttl 90s")["expires_at"].is_string());
    }
}
