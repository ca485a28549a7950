//! Reading the body of a management request: bounded in size, in time and in patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;

use crate::problem::{Code, Problem};

/// Bytes of a refused body that are read at most.
const LINGER_BYTES: usize = 4 << 20;
const LINGER_TIME: Duration = Duration::from_secs(1);

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
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > bounds.max as u64) {
        linger(&mut body).await;
        return Err(too_large());
    }
    let too_slow = |_| Problem::new(Code::RequestTimeout, "the body did not arrive in time; send it faster");
    let deadline = tokio::time::Instant::now() + bounds.whole;
    let mut bytes = BytesMut::new();
    loop {
        let patience = deadline.min(tokio::time::Instant::now() + bounds.idle);
        let Some(frame) = tokio::time::timeout_at(patience, body.frame()).await.map_err(too_slow)? else {
            return Ok(bytes.freeze());
        };
        let frame = frame.map_err(|_| {
            Problem::new(Code::IncompleteRequest, "the body broke off or its framing is wrong")
        })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > bounds.max {
                linger(&mut body).await;
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
}

/// Reads on for a moment and throws away what comes. A client that is still sending when the connection is
/// closed would be told of a broken connection instead of the answer (RFC 9112, section 9.6).
pub(crate) async fn linger<B>(body: &mut B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let rest = async {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Whatever is not sent by then is the client's loss.
    let _ = tokio::time::timeout(LINGER_TIME, rest).await;
}
