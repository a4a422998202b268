//! Requests whose clients may go away during a change.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use hyper::rt::Executor as _;
use tenterhook_flows::{commitment::Commitment, recovery::PendingSend};
use tokio::sync::oneshot;

use crate::{accept::Tasks, edge::CatchPanic, error::ApiError};

/// Runs `work` in a task of its own, so that a client that goes away cannot leave a change half done (committed but not
/// in the System Log). Until `commitment` has begun, the work is dropped with its caller. The drain waits for the work
/// as for any request.
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
        // The client may have gone.
        let _ = answer.send(worked);
    });
    match answered.await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        // The drain time has ended.
        Err(_) => ApiError::Internal.into_response(),
    }
}

/// Runs the work of a request, which gets the commitment that it begins: with [`to_its_end`] where the server has `tasks`.
pub(crate) async fn committed<F>(tasks: Option<Tasks>, work: impl FnOnce(Arc<Commitment>) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let commitment = Arc::new(Commitment::default());
    let work = work(Arc::clone(&commitment));
    match tasks {
        Some(tasks) => to_its_end(&tasks, commitment, work).await,
        None => work.await,
    }
}

/// Sends the message of a recovery after the answer. The drain waits for it as for any request.
pub(crate) fn in_background(tasks: Option<&Tasks>, send: Option<Box<PendingSend>>) {
    let Some(send) = send else { return };
    match tasks {
        Some(tasks) => tasks.execute(send.run()),
        None => drop(tokio::spawn(send.run())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use axum::http::StatusCode;

    use super::*;

    /// Drops the caller of waiting work, and lets the work continue if it still exists; returns whether the work ended.
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
            // Dropping this with the test ends its tasks.
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
