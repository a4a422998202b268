//! Reads the body of an answer.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::de::IgnoredAny;
use tenterhook_contract::limits::ANSWER_BYTES_MAX;
use tenterhook_engine::{CallFailure, Deadline, FailureCode, carries_answer};

use crate::{connection::ConnectionInfo, failure};

/// Longest time to read a body whose status carries no answer. The part that arrives in this time is shown to people,
/// and a connection whose body was read to its end is reused; nothing waits for the rest.
const ASIDE_TIMEOUT: Duration = Duration::from_millis(100);
/// Characters of a content encoding that a failure shows.
const ENCODING_CHARACTERS_MAX: usize = 30;
/// Characters of a media type that a failure shows; a longer one is not shown.
const MEDIA_TYPE_CHARACTERS_MAX: usize = 64;
/// The media type of almost every answer.
const JSON: &str = "application/json";

/// The bytes read so far. An ordinary answer is one frame and is never copied.
#[derive(Default)]
struct Read {
    first: Bytes,
    grown: BytesMut,
}

/// The body of an answer: the whole body if the status carries an answer, else the part that arrives within
/// [`ASIDE_TIMEOUT`]. In the second case an error in the body does not change the result, which is the status.
pub(crate) async fn of_answer(answer: Response<Incoming>, deadline: Deadline) -> Result<Bytes, CallFailure> {
    let status = answer.status().as_u16();
    let encoding = encoding_of(answer.headers());
    let connection = answer.extensions().get::<Arc<ConnectionInfo>>().cloned();
    let ended = || connection.iter().for_each(|connection| connection.answer_ended());
    let mut read = Read::default();
    let reading = read.all(answer.into_body());
    if carries_answer(status) {
        reading.await?;
        ended();
        let body = read.end();
        return match encoding {
            // A body that parses as JSON is not encoded; only its header is wrong.
            Some(encoding) if !body.is_empty() && serde_json::from_slice::<IgnoredAny>(&body).is_err() => {
                Err(encoded(&encoding))
            }
            _ => Ok(body),
        };
    }
    // At the deadline itself the waiting task polls this future first.
    let until = deadline.earlier(Deadline::after(ASIDE_TIMEOUT));
    if let Ok(Ok(())) = tokio::time::timeout_at(until.instant(), reading).await {
        ended();
    }
    Ok(read.end())
}

/// The media type of an answer, if it has one that can be shown.
pub(crate) fn media_type_of(headers: &HeaderMap) -> Option<Cow<'static, str>> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| media_type(value.to_str().ok()?))?;
    Some(if media_type == JSON { Cow::Borrowed(JSON) } else { Cow::Owned(media_type.to_owned()) })
}

/// The media type of a `Content-Type` without its parameters; `None` for one that cannot be shown as it is.
pub(crate) fn media_type(content_type: &str) -> Option<&str> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-._".contains(&byte);
    let is_plain = !media_type.is_empty() && media_type.bytes().all(plain);
    (is_plain && media_type.len() <= MEDIA_TYPE_CHARACTERS_MAX).then_some(media_type)
}

/// The content encoding, if there is one. We never request one, because the bound on a body would have to hold for the
/// decoded body.
fn encoding_of(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut codings = codings.map(|coding| String::from_utf8_lossy(coding.trim_ascii()));
    let encoded = codings.find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))?;
    Some(encoded.chars().take(ENCODING_CHARACTERS_MAX).collect())
}

fn encoded(encoding: &str) -> CallFailure {
    let detail = format!(
        "The answer has the content encoding `{encoding}`, which the call did not ask for: answer without `Content-Encoding`"
    );
    CallFailure::new(FailureCode::BodyUnparsable, detail)
}

impl Read {
    /// Reads to the end, as long as the body is within its bound.
    async fn all(&mut self, mut body: Incoming) -> Result<(), CallFailure> {
        let too_large = || {
            CallFailure::new(FailureCode::BodyTooLarge, format!("The answer is larger than {ANSWER_BYTES_MAX} bytes"))
        };
        if body.size_hint().lower() > ANSWER_BYTES_MAX as u64 {
            return Err(too_large());
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure::of_body_error(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = self.first.len() + self.grown.len();
            if length + data.len() > ANSWER_BYTES_MAX {
                return Err(too_large());
            }
            if length == 0 {
                self.first = data;
            } else {
                self.grown.extend_from_slice(&std::mem::take(&mut self.first));
                self.grown.extend_from_slice(&data);
            }
        }
        Ok(())
    }

    fn end(self) -> Bytes {
        if self.grown.is_empty() { self.first } else { self.grown.freeze() }
    }
}
