//! Requests whose clients may go away while something is changed for them.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use hyper::rt::Executor as _;
use tenterhook_flows::commitment::Commitment;
use tokio::sync::oneshot;

use crate::{accept::Tasks, edge::CatchPanic, error::ApiError};

/// Runs `work` in a task of its own: a client that goes away must not leave a change half done, committed and not in the
/// System Log. Until `commitment` has begun, the work is dropped with its caller. The drain waits for it as it does for requests
/// whose clients are there.
pub(crate) async fn to_its_end(
    tasks: &Tasks,
    commitment: Arc<Commitment>,
    work: impl Future<Output = Response> + Send + 'static,
) -> Response {
    let (mut answer, answered) = oneshot::channel();
    let mut work = CatchPanic(Box::pin(work));
    tasks.execute(async move {
        let worked = tokio::select! {
            biased;
            worked = &mut work => worked,
            () = answer.closed() => {
                if !commitment.has_begun() {
                    return;
                }
                work.await
            }
        };
        // Who asked may have gone.
        let _ = answer.send(worked);
    });
    match answered.await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        // The drain time has ended.
        Err(_) => ApiError::Internal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use axum::http::StatusCode;

    use super::*;

    /// Drops the caller of work that waits, and lets the work go on if it is still there; whether it came to its end.
    async fn ends_without_its_caller(commits: bool) -> bool {
        let (tasks, commitment) = (Tasks::default(), Arc::new(Commitment::default()));
        let (wait, waits) = oneshot::channel();
        let (mut go_on, goes_on) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let work = {
            let commitment = Arc::clone(&commitment);
            async move {
                if commits {
                    commitment.begin();
                }
                wait.send(()).unwrap();
                goes_on.await.unwrap();
                end.send(()).unwrap();
                StatusCode::OK.into_response()
            }
        };
        let caller = tokio::spawn({
            // Dropped with the test: that ends what it runs.
            let tasks = tasks.clone();
            async move { to_its_end(&tasks, commitment, work).await }
        });
        waits.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        if !commits {
            go_on.closed().await;
        }
        let _ = go_on.send(());
        ended.await.is_ok()
    }

    #[tokio::test]
    async fn work_that_has_begun_to_commit_is_done_without_its_caller_and_other_work_is_dropped() {
        assert!(ends_without_its_caller(true).await);
        assert!(!ends_without_its_caller(false).await);
    }

    #[tokio::test]
    async fn the_caller_gets_the_answer() {
        let answer = async { StatusCode::NO_CONTENT.into_response() };
        let response = to_its_end(&Tasks::default(), Arc::default(), answer).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
}
