//! What is read of an answer's body.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tenterhook_contract::limits::ANSWER_BYTES_MAX;
use tenterhook_engine::{CallFailure, Deadline, FailureCode, carries_answer};

use crate::failure;

/// How long a body may take whose status carries no answer. What comes in this time is shown to people, and a connection
/// whose body was read to its end is used again; nothing waits for more.
const ASIDE_TIMEOUT: Duration = Duration::from_millis(100);

/// What has been read. An ordinary answer is one frame and is never copied.
#[derive(Default)]
struct Read {
    first: Bytes,
    grown: BytesMut,
}

/// The body of an answer: the whole one where the status carries an answer, else what comes of it at once. Whatever is
/// wrong with the latter, the status stands.
pub(crate) async fn of_answer(answer: Response<Incoming>, deadline: Deadline) -> Result<Bytes, CallFailure> {
    let status = answer.status().as_u16();
    let mut read = Read::default();
    let reading = read.all(answer.into_body());
    if carries_answer(status) {
        reading.await?;
    } else {
        // At the deadline itself what waits for this one looks at it first.
        let until = deadline.earlier(Deadline::after(ASIDE_TIMEOUT));
        let _ = tokio::time::timeout_at(until.instant(), reading).await;
    }
    Ok(read.end())
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
