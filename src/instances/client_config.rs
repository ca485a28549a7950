//! How the MCP clients of the world are told of an instance, as each of them has it.

use serde_json::{Value, json};

use crate::api::client_config::{ClientConfig, McpClient};

/// The configuration of `client` for the instance that is called `name` and reached at `url`. Without a token, the
/// client finds it in a variable or asks for it.
pub(crate) fn of(client: McpClient, name: &str, url: &str, token: Option<&str>) -> ClientConfig {
    let name = slug(name);
    let variable = variable(&name);
    let entry = Entry { name: &name, url, variable: &variable, token };
    let (file, snippet, command, instructions) = match client {
        McpClient::ClaudeCode => claude_code(&entry),
        McpClient::Cursor => cursor(&entry),
        McpClient::VsCode => vs_code(&entry),
        McpClient::Inspector => inspector(&entry),
        McpClient::Codex => codex(&entry),
    };
    let reads_variable = token.is_none() && client != McpClient::VsCode;
    let is_toml = client == McpClient::Codex;
    ClientConfig {
        client,
        file: file.to_owned(),
        format: if is_toml { "toml" } else { "json" }.to_owned(),
        snippet,
        command,
        token_variable: reads_variable.then(|| variable.clone()),
        instructions,
        name,
    }
}

/// What a server is to a client.
struct Entry<'a> {
    name: &'a str,
    url: &'a str,
    variable: &'a str,
    token: Option<&'a str>,
}

impl Entry<'_> {
    /// The `Authorization` header, with what the client puts the token in place of.
    fn bearer(&self, place: impl FnOnce(&str) -> String) -> String {
        format!("Bearer {}", self.token.map_or_else(|| place(self.variable), str::to_owned))
    }

    fn headers(&self, place: impl FnOnce(&str) -> String) -> Value {
        json!({"Authorization": self.bearer(place)})
    }

    /// The header as an argument in a shell, which fills a variable in.
    fn shell_header(&self) -> String {
        format!("--header \"Authorization: {}\"", self.bearer(|variable| format!("${variable}")))
    }

    /// What is to be done about the token.
    fn about_token(&self) -> String {
        match self.token {
            Some(_) => "The token is in it: keep the file to yourself and out of version control.".to_owned(),
            None => format!(
                "Set the variable {} to the access token in the environment that the client starts in.",
                self.variable
            ),
        }
    }
}

type Parts = (&'static str, String, Option<String>, String);

fn claude_code(entry: &Entry<'_>) -> Parts {
    let headers = entry.headers(|variable| format!("${{{variable}}}"));
    let server = json!({"type": "http", "url": entry.url, "headers": headers});
    let command =
        format!("claude mcp add --transport http {} {} {}", entry.name, entry.url, entry.shell_header());
    let instructions = format!(
        "Paste it into .mcp.json in the directory of your project, beside the servers that are there, or run the \
         command. {}",
        entry.about_token()
    );
    (".mcp.json", pretty(&json!({"mcpServers": {entry.name: server}})), Some(command), instructions)
}

fn cursor(entry: &Entry<'_>) -> Parts {
    let headers = entry.headers(|variable| format!("${{env:{variable}}}"));
    let server = json!({"url": entry.url, "headers": headers});
    let instructions = format!(
        "Paste it into ~/.cursor/mcp.json, or into .cursor/mcp.json in your project, beside the servers that are \
         there. {}",
        entry.about_token()
    );
    ("~/.cursor/mcp.json", pretty(&json!({"mcpServers": {entry.name: server}})), None, instructions)
}

fn vs_code(entry: &Entry<'_>) -> Parts {
    let id = format!("{}-token", entry.name);
    let headers = entry.headers(|_| format!("${{input:{id}}}"));
    let servers = json!({entry.name: {"type": "http", "url": entry.url, "headers": headers}});
    let whole = match entry.token {
        Some(_) => json!({"servers": servers}),
        None => json!({
            "inputs": [{
                "type": "promptString", "id": id, "password": true,
                "description": format!("Access token of {}", entry.name),
            }],
            "servers": servers,
        }),
    };
    let about = match entry.token {
        Some(_) => entry.about_token(),
        None => "VS Code asks for the access token at the first start and keeps it safe.".to_owned(),
    };
    let instructions =
        format!("Paste it into .vscode/mcp.json in your project, beside what is there. {about}");
    (".vscode/mcp.json", pretty(&whole), None, instructions)
}

fn inspector(entry: &Entry<'_>) -> Parts {
    // It fills no variables in, so the token has to be put into the file.
    let headers = entry.headers(|_| "YOUR_ACCESS_TOKEN".to_owned());
    let server = json!({"type": "http", "url": entry.url, "protocolEra": "auto", "headers": headers});
    let command = format!(
        "npx @modelcontextprotocol/inspector --cli --transport http --server-url {} {} --method tools/list",
        entry.url,
        entry.shell_header()
    );
    let about = match entry.token {
        Some(_) => entry.about_token(),
        None => format!(
            "Put the access token in the place of YOUR_ACCESS_TOKEN; the command reads it from the variable {}.",
            entry.variable
        ),
    };
    let instructions = format!(
        "Save it as mcp.json and start the Inspector with --config mcp.json, or run the command. {about}"
    );
    ("mcp.json", pretty(&json!({"mcpServers": {entry.name: server}})), Some(command), instructions)
}

fn codex(entry: &Entry<'_>) -> Parts {
    let mut server = toml::Table::new();
    server.insert("url".into(), entry.url.into());
    match entry.token {
        Some(_) => {
            let mut headers = toml::Table::new();
            headers.insert("Authorization".into(), entry.bearer(str::to_owned).into());
            server.insert("http_headers".into(), headers.into());
        }
        None => {
            server.insert("bearer_token_env_var".into(), entry.variable.into());
        }
    }
    let servers = toml::Table::from_iter([(entry.name.to_owned(), toml::Value::from(server))]);
    let whole = toml::Table::from_iter([("mcp_servers".to_owned(), toml::Value::from(servers))]);
    let instructions = format!("Add it to ~/.codex/config.toml. {}", entry.about_token());
    ("~/.codex/config.toml", whole.to_string(), None, instructions)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// A name that needs no quotes anywhere.
pub(crate) fn slug(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' });
    let slug = plain.collect::<String>().trim_matches('-').to_owned();
    if slug.is_empty() { "minimcp".into() } else { slug }
}

/// The variable for the token of a server that is called so. Not `MINIMCP_TOKEN`, which is for the API.
fn variable(slug: &str) -> String {
    let upper = slug.to_ascii_uppercase().replace('-', "_");
    let begin = if upper.starts_with(|first: char| first.is_ascii_digit()) { "_" } else { "" };
    format!("{begin}{upper}_MCP_TOKEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://host/i/1/mcp";

    fn json_of(client: McpClient, token: Option<&str>) -> Value {
        serde_json::from_str(&of(client, "my work", URL, token).snippet).unwrap()
    }

    #[test]
    fn each_client_gets_what_it_reads_and_finds_the_token_where_it_looks() {
        let server =
            |place: &str| json!({"url": URL, "headers": {"Authorization": format!("Bearer {place}")}});
        let mut claude = server("${MY_WORK_MCP_TOKEN}");
        claude["type"] = json!("http");
        assert_eq!(json_of(McpClient::ClaudeCode, None), json!({"mcpServers": {"my-work": claude}}));
        assert_eq!(
            json_of(McpClient::Cursor, None),
            json!({"mcpServers": {"my-work": server("${env:MY_WORK_MCP_TOKEN}")}})
        );
        let code = json_of(McpClient::VsCode, None);
        assert_eq!(code["servers"]["my-work"]["headers"]["Authorization"], "Bearer ${input:my-work-token}");
        assert_eq!(code["inputs"][0]["id"], "my-work-token");
        assert_eq!(code["inputs"][0]["password"], true);
        assert_eq!(json_of(McpClient::Inspector, None)["mcpServers"]["my-work"]["protocolEra"], "auto");
        let codex = of(McpClient::Codex, "my work", URL, None);
        let table: toml::Table = codex.snippet.parse().unwrap();
        assert_eq!(table["mcp_servers"]["my-work"]["url"].as_str(), Some(URL));
        assert_eq!(
            table["mcp_servers"]["my-work"]["bearer_token_env_var"].as_str(),
            Some("MY_WORK_MCP_TOKEN")
        );
        assert_eq!((codex.format.as_str(), codex.file.as_str()), ("toml", "~/.codex/config.toml"));
        let command = of(McpClient::ClaudeCode, "my work", URL, None).command.unwrap();
        assert_eq!(
            command,
            "claude mcp add --transport http my-work https://host/i/1/mcp --header \
             \"Authorization: Bearer $MY_WORK_MCP_TOKEN\""
        );
    }

    #[test]
    fn a_token_is_put_in_where_it_is_given_and_nothing_asks_for_it_then() {
        for client in McpClient::ALL {
            let without = of(client, "work", URL, None);
            assert!(!format!("{without:?}").contains("mmcp_inst"), "{without:?}");
            let with = of(client, "work", URL, Some("mmcp_inst_x"));
            assert!(with.snippet.contains("Bearer mmcp_inst_x"), "{with:?}");
            assert!(!format!("{with:?}").contains("WORK_MCP_TOKEN"), "{with:?}");
            assert!(with.instructions.contains("keep the file to yourself"), "{with:?}");
            assert_eq!(with.token_variable, None);
            let named: &str = without.token_variable.as_deref().unwrap_or("VS Code asks");
            assert!(without.instructions.contains(named), "{without:?}");
        }
        assert_eq!(json_of(McpClient::VsCode, Some("x"))["inputs"], Value::Null);
    }

    #[test]
    fn names_become_words_that_need_no_quotes() {
        assert_eq!(slug("my work; rm -rf $HOME"), "my-work--rm--rf--HOME");
        assert_eq!(slug("\u{e4}\u{f6}"), "minimcp");
        assert_eq!(variable("7-zip"), "_7_ZIP_MCP_TOKEN");
    }
}
