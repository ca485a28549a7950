//! Reading the body of a management request: bounded in size, in time and in patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;

use crate::problem::{Code, Problem};

/// Bounds of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes.
    pub(crate) max: usize,
    /// Between two pieces.
    pub(crate) idle: Duration,
    /// From the first piece to the last.
    pub(crate) whole: Duration,
}

/// The whole body.
///
/// # Errors
/// The problem to answer with. A declared length over the bound is refused before a byte is read.
pub(crate) async fn read<B>(headers: &HeaderMap, mut body: B, bounds: Bounds) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let too_large = || {
        let detail = format!("send at most {} bytes", bounds.max);
        Problem::new(Code::BodyTooLarge, detail)
    };
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > bounds.max as u64) {
        return Err(too_large());
    }
    let too_slow = |_| {
        Problem::new(
            Code::RequestTimeout,
            "the body did not arrive in time; send it faster",
        )
    };
    let deadline = tokio::time::Instant::now() + bounds.whole;
    let mut bytes = BytesMut::new();
    loop {
        let patience = deadline.min(tokio::time::Instant::now() + bounds.idle);
        let Some(frame) = tokio::time::timeout_at(patience, body.frame())
            .await
            .map_err(too_slow)?
        else {
            return Ok(bytes.freeze());
        };
        let frame = frame.map_err(|_| {
            Problem::new(
                Code::IncompleteRequest,
                "the body broke off or its framing is wrong",
            )
        })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > bounds.max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
}
