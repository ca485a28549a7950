//! The query of a request: every parameter known, given once and of the right kind.

use std::borrow::Cow;
use std::str::FromStr;

use crate::problem::{Code, Problem};

/// The parameters of a query, each taken out once. What is left over is refused.
#[derive(Debug)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Query {
    pub(crate) fn new(query: &str) -> Self {
        let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
        Self { pairs: url::form_urlencoded::parse(query.as_bytes()).map(owned).collect(), known: Vec::new() }
    }

    /// A parameter as text.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.known.push(name);
        let Some(at) = self.pairs.iter().position(|(given, _)| given == name) else { return Ok(None) };
        let (_, value) = self.pairs.swap_remove(at);
        if self.pairs.iter().any(|(given, _)| given == name) {
            return Err(invalid(format!("give `{name}` once")));
        }
        if value.contains('\0') {
            return Err(invalid(format!("`{name}` must not hold the character U+0000")));
        }
        Ok(Some(value))
    }

    /// A parameter of a kind that can be read; `wanted` says which.
    pub(crate) fn parse<T: FromStr>(
        &mut self,
        name: &'static str,
        wanted: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| invalid(format!("`{name}` has to be {wanted}")))
    }

    /// A parameter that is one of some words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(invalid(format!("`{name}` has to be one of {}", known.join(", "))))
            }
        }
    }

    /// Nothing is left over.
    pub(crate) fn end(self) -> Result<(), Problem> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) if self.known.is_empty() => {
                Err(invalid(format!("there is no parameter `{name}`; the route takes none")))
            }
            Some((name, _)) => {
                Err(invalid(format!("there is no parameter `{name}`; there are {}", self.known.join(", "))))
            }
        }
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(Code::InvalidQuery, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_taken_once_and_strangers_are_named() {
        let mut query = Query::new("limit=5&wait=running&name=a%20b");
        assert_eq!(query.parse::<u32>("limit", "a number").unwrap(), Some(5));
        assert_eq!(query.word("wait", &[("running", 1)]).unwrap(), Some(1));
        assert_eq!(query.text("cursor").unwrap(), None);
        let stranger = query.end().unwrap_err();
        assert!(stranger.detail().contains("`name`") && stranger.detail().contains("cursor"));

        assert!(Query::new("limit=x").parse::<u32>("limit", "a number").is_err());
        assert!(Query::new("limit=1&limit=2").parse::<u32>("limit", "a number").is_err());
        assert!(Query::new("wait=x").word("wait", &[("running", 1)]).is_err());
        assert!(Query::new("").end().is_ok());
    }
}
