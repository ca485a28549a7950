//! Lists in pages. A cursor names the last row of a page, so a page costs the same at any depth and rows that
//! come and go meanwhile neither repeat nor hide others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::StoreError;

/// Rows of a page where the caller does not say.
const DEFAULT_LIMIT: u32 = 50;
/// Most rows of a page.
const MAX_LIMIT: u32 = 500;

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    limit: Option<u32>,
    after: Option<Cursor>,
}

impl PageRequest {
    /// At most `limit` rows (1 to 500; more is cut, `None` is 50) after the page that answered `cursor`.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if no list has answered such a cursor.
    pub fn new(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, StoreError> {
        Ok(Self { limit, after: cursor.map(Cursor::parse).transpose()? })
    }

    /// Rows to answer.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT).into()
    }

    /// The same place with as many rows as a page may have, for a reader that looks through all of them.
    #[must_use]
    pub fn widest(&self) -> Self {
        Self { limit: Some(MAX_LIMIT), after: self.after.clone() }
    }

    /// The id to go on after, in a list by id.
    pub(super) fn after_id(&self) -> Result<Option<Uuid>, StoreError> {
        match &self.after {
            None => Ok(None),
            Some(Cursor::Id(id)) => Ok(Some(*id)),
            Some(_) => Err(StoreError::InvalidCursor),
        }
    }

    /// The number to go on after, in a list by number.
    pub(crate) fn after_number(&self) -> Result<Option<i64>, StoreError> {
        match &self.after {
            None => Ok(None),
            Some(Cursor::Number(number)) => Ok(Some(*number)),
            Some(_) => Err(StoreError::InvalidCursor),
        }
    }

    /// The name to go on after, in a list by name.
    pub(super) fn after_name(&self) -> Result<Option<&str>, StoreError> {
        match &self.after {
            None => Ok(None),
            Some(Cursor::Name(name)) => Ok(Some(name)),
            Some(_) => Err(StoreError::InvalidCursor),
        }
    }
}

/// The last row of a page. Its text is opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// In a list by UUID.
    Id(Uuid),
    /// In a list by number.
    Number(i64),
    /// In a list by name.
    Name(String),
}

impl Cursor {
    /// From the text that a list answered.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if no list can have answered it.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StoreError::InvalidCursor)?;
        let (kind, rest) = bytes.split_first().ok_or(StoreError::InvalidCursor)?;
        match kind {
            b'i' => Uuid::from_slice(rest).ok().map(Self::Id),
            b'n' => rest.try_into().ok().map(i64::from_be_bytes).map(Self::Number),
            b's' => std::str::from_utf8(rest).ok().map(|name| Self::Name(name.to_owned())),
            _ => None,
        }
        .ok_or(StoreError::InvalidCursor)
    }

    /// The text that a list answers.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(17);
        match self {
            Self::Id(id) => {
                bytes.push(b'i');
                bytes.extend_from_slice(id.as_bytes());
            }
            Self::Number(number) => {
                bytes.push(b'n');
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            Self::Name(name) => {
                bytes.push(b's');
                bytes.extend_from_slice(name.as_bytes());
            }
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None` if this is the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` rows: the one too many only shows that there is a next page.
    pub(super) fn cut(mut items: Vec<T>, request: &PageRequest, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = usize::try_from(request.limit()).expect("a page has at most 500 rows");
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|last| cursor(last).text());
        Self { items, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Page, PageRequest};
    use uuid::Uuid;

    #[test]
    fn cursors_round_trip_and_foreign_ones_are_refused() {
        for cursor in [Cursor::Id(Uuid::from_u128(7)), Cursor::Number(-3), Cursor::Name("git-hub".into())] {
            assert_eq!(Cursor::parse(&cursor.text()).unwrap(), cursor);
        }
        for text in ["", "!", "aQ", "eA", "bgAAAAAAAAAAAAAA"] {
            assert!(Cursor::parse(text).is_err(), "{text}");
        }
        let named = PageRequest::new(None, Some(&Cursor::Name("a".into()).text())).unwrap();
        assert!(named.after_id().is_err(), "a cursor of another list");
    }

    #[test]
    fn the_last_page_has_no_cursor_and_limits_are_kept_in_range() {
        let two = PageRequest::new(Some(2), None).unwrap();
        let page = Page::cut(vec![1, 2, 3], &two, |n| Cursor::Number(*n));
        assert_eq!(page.items, [1, 2]);
        assert_eq!(Cursor::parse(&page.next_cursor.unwrap()).unwrap(), Cursor::Number(2));
        assert_eq!(Page::cut(vec![1, 2], &two, |n| Cursor::Number(*n)).next_cursor, None);
        assert_eq!(PageRequest::new(Some(0), None).unwrap().limit(), 1);
        assert_eq!(PageRequest::new(Some(9_999), None).unwrap().limit(), 500);
        assert_eq!(PageRequest::default().limit(), 50);
    }
}
