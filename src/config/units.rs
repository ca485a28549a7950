//! Readers of single values: text in, value or the words for the person who wrote it out.

use std::ops::RangeInclusive;

use url::Url;

/// `20000-29999`: privileged ports are never handed out.
pub(super) fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wanted = "two ports from 1024 to 65535, the smaller first, such as 20000-29999";
    let (first, last) = text.split_once('-').ok_or(wanted)?;
    let (first, last): (u16, u16) =
        (first.trim().parse().map_err(|_| wanted)?, last.trim().parse().map_err(|_| wanted)?);
    if first < 1_024 || first > last {
        return Err(wanted.into());
    }
    Ok(first..=last)
}

/// Host names separated by commas, in lower case.
pub(super) fn hosts(text: &str) -> Result<Vec<String>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
        .map(|host| {
            let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
            plain.then(|| host.to_ascii_lowercase()).ok_or_else(|| {
                format!("`{host}` is no host name; write names such as minimcp.example.org or [::1]:8080")
            })
        })
        .collect()
}

/// An http or https URL without query; the slash at its end is dropped.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let wanted = "an http or https URL without query, such as https://minimcp.example.org";
    let url = Url::parse(text).map_err(|_| wanted)?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
        return Err(wanted.into());
    }
    Ok(url.as_str().trim_end_matches('/').into())
}

/// A path within the hierarchies of control groups.
pub(super) fn cgroup_base(text: &str) -> Result<String, String> {
    let plain = text.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
    if !text.starts_with('/') || !plain {
        return Err("a path within the hierarchy that holds no process, such as /minimcp".into());
    }
    Ok(text.into())
}

/// A URL of one of the two stores we know.
pub(super) fn database_url(text: &str) -> Result<String, String> {
    let known = ["sqlite:", "postgres://", "postgresql://"];
    if known.iter().any(|scheme| text.starts_with(scheme)) {
        Ok(text.into())
    } else {
        Err("a URL that begins with sqlite: or postgres://".into())
    }
}

/// Bytes: a whole number, with `KiB`, `MiB` or `GiB` behind it or nothing.
pub(super) fn size(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text[digits.len()..].trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(factor)
}

/// The database URL with its password masked; whatever is no URL is masked as a whole.
pub(super) fn masked(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.into();
    }
    match Url::parse(text) {
        Ok(mut url) => {
            let held = url.password().is_some();
            if held && url.set_password(Some("***")).is_err() {
                return "***".into();
            }
            // A password may also stand in the query.
            if url.query().is_some() {
                url.set_query(Some("***"));
            }
            url.into()
        }
        Err(_) => "***".into(),
    }
}

/// `name=value` pairs with their values masked.
pub(super) fn masked_headers(text: &str) -> String {
    let names = text.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.trim()));
    names.map(|name| format!("{name}=***")).collect::<Vec<_>>().join(",")
}
