//! Server-sent events, read from chunks of bytes that may be cut anywhere.

/// One event as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// Its kind; `message` where the server named none.
    pub(crate) event: String,
    /// Its data, lines separated by line feeds.
    pub(crate) data: String,
    /// The last id that the stream named, by this event or one before it.
    pub(crate) id: Option<String>,
}

/// An event longer than any that our daemon sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {MAX_EVENT} bytes")]
pub(crate) struct TooLong;

const MAX_EVENT: usize = 8 * 1_024 * 1_024;

/// Cuts a stream into events.
#[derive(Debug, Default)]
pub(crate) struct SseReader {
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed right after it belongs to it.
    after_return: bool,
    started: bool,
    event: String,
    data: Option<String>,
    id: Option<String>,
}

impl SseReader {
    /// Takes the next bytes and gives the events that they complete.
    ///
    /// # Errors
    /// [`TooLong`] if an event outgrows what this reader is ready to hold.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Vec<ServerEvent>, TooLong> {
        let mut events = Vec::new();
        for &byte in chunk {
            let second_half = std::mem::take(&mut self.after_return) && byte == b'\n';
            match byte {
                _ if second_half => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.take_line(&line));
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > MAX_EVENT {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &[u8]) -> Option<ServerEvent> {
        let line = String::from_utf8_lossy(line);
        let mut line = line.as_ref();
        if !std::mem::replace(&mut self.started, true) {
            line = line.trim_start_matches('\u{feff}');
        }
        if line.is_empty() {
            return self.complete();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // A comment has an empty field name; `retry` and unknown fields mean nothing to us.
            _ => {}
        }
        None
    }

    /// An event without data is none, and its kind is forgotten.
    fn complete(&mut self) -> Option<ServerEvent> {
        let event = std::mem::take(&mut self.event);
        let data = self.data.take()?;
        let event = if event.is_empty() { "message".to_owned() } else { event };
        Some(ServerEvent { event, data, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hello\n\nevent: stderr\ndata: one\ndata:  two\nid: 7\n\nretry: 5\r\n\
                          data:caf\u{e9}\r\n\r\nevent: lost\n\ndata\n\ndata: last\rid:\r\rdata: cut off\n";

    fn expected() -> Vec<ServerEvent> {
        let event = |event: &str, data: &str, id: &str| ServerEvent {
            event: event.into(),
            data: data.into(),
            id: Some(id.into()),
        };
        vec![
            event("stderr", "one\n two", "7"),
            event("message", "caf\u{e9}", "7"),
            event("message", "", "7"),
            event("message", "last", ""),
        ]
    }

    #[test]
    fn events_are_the_same_wherever_the_stream_is_cut() {
        for size in 1..=STREAM.len() {
            let mut reader = SseReader::default();
            let events: Vec<ServerEvent> =
                STREAM.as_bytes().chunks(size).flat_map(|chunk| reader.push(chunk).unwrap()).collect();
            assert_eq!(events, expected(), "in chunks of {size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut reader = SseReader::default();
        let chunk = vec![b'x'; MAX_EVENT];
        assert_eq!(reader.push(&chunk), Ok(Vec::new()));
        assert_eq!(reader.push(b"x"), Err(TooLong));
    }
}
