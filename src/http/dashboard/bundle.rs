//! What `make dashboard` built: each part as it is and compressed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use rust_embed::RustEmbed;

/// The built files. Debug builds read them when the first is asked for, release builds carry them.
#[derive(RustEmbed)]
#[folder = "dashboard/dist"]
// Without it the page says how to build one.
#[allow_missing = true]
struct Built;

static BUILT: LazyLock<Bundle> = LazyLock::new(|| {
    Bundle::of(Built::iter().filter_map(|name| Some((name.clone(), Built::get(&name)?.data))))
});

/// The parts of a dashboard by name; empty if it was not built.
#[derive(Debug, Default)]
pub(super) struct Bundle(BTreeMap<String, Part>);

/// A part of the dashboard.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Its media type.
    pub(super) kind: &'static str,
    plain: Bytes,
    /// Smaller forms, the smallest first: content encoding and bytes.
    compressed: Vec<(&'static str, Bytes)>,
}

/// Content encodings and how the names of files in them end, the one that saves most first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

impl Bundle {
    /// What this program carries.
    pub(super) fn built() -> &'static Self {
        &BUILT
    }

    /// Sorts files into parts. A file whose kind is not known is no part.
    fn of(files: impl Iterator<Item = (Cow<'static, str>, Cow<'static, [u8]>)>) -> Self {
        let files: BTreeMap<_, _> = files.map(|(name, data)| (name.into_owned(), bytes(data))).collect();
        let part = |name: &String| {
            let compressed = ENCODINGS
                .into_iter()
                .filter_map(|(encoding, ending)| {
                    Some((encoding, files.get(&format!("{name}{ending}"))?.clone()))
                })
                .collect();
            Some((name.clone(), Part { kind: kind_of(name)?, plain: files[name].clone(), compressed }))
        };
        Self(files.keys().filter_map(part).collect())
    }

    pub(super) fn find(&self, name: &str) -> Option<&Part> {
        self.0.get(name)
    }
}

impl Part {
    /// The smallest form that a caller reads who sent this `Accept-Encoding`, and its encoding.
    pub(super) fn form(&self, accepted: Option<&str>) -> (Option<&'static str>, Bytes) {
        let reads = |encoding: &str| accepted.is_some_and(|accepted| accepts(accepted, encoding));
        match self.compressed.iter().find(|(encoding, _)| reads(encoding)) {
            Some((encoding, bytes)) => (Some(encoding), bytes.clone()),
            None => (None, self.plain.clone()),
        }
    }
}

/// Whether a list such as `gzip, br;q=0` names the encoding and does not refuse it.
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|entry| {
        let mut words = entry.split(';').map(str::trim);
        let named = words.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let weight = words.find_map(|word| word.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        named && weight.is_ok_and(|weight| weight > 0.0)
    })
}

fn kind_of(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

fn bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => data.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(files: &[(&'static str, &'static str)]) -> Bundle {
        Bundle::of(files.iter().map(|(name, data)| (Cow::from(*name), Cow::from(data.as_bytes()))))
    }

    #[test]
    fn a_part_comes_in_the_smallest_form_that_is_read() {
        let bundle = bundle(&[("assets/a.js", "plain"), ("assets/a.js.br", "b"), ("assets/a.js.gz", "g")]);
        let part = bundle.find("assets/a.js").unwrap();
        assert_eq!(part.kind, "text/javascript; charset=utf-8");
        for (accepted, encoding, text) in [
            (None, None, "plain"),
            (Some("gzip, deflate, br"), Some("br"), "b"),
            (Some("GZIP"), Some("gzip"), "g"),
            (Some("br;q=0, gzip;q=0.5"), Some("gzip"), "g"),
            (Some("br;q=x, gzip;q=0.0"), None, "plain"),
            (Some("brotli, *"), None, "plain"),
        ] {
            assert_eq!(part.form(accepted), (encoding, Bytes::from_static(text.as_bytes())), "{accepted:?}");
        }
    }

    #[test]
    fn what_is_no_part_is_not_served() {
        let bundle = bundle(&[(".gitignore", "*"), ("index.html", "<p>"), ("assets/a.css.gz", "g")]);
        for name in [".gitignore", "assets/a.css.gz", "assets/a.css", "", "../index.html"] {
            assert!(bundle.find(name).is_none(), "{name}");
        }
        assert_eq!(bundle.find("index.html").unwrap().form(Some("gzip")).0, None);
    }
}
