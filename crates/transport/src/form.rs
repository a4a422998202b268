//! Forms for providers that the operator has configured.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT},
};
use tenterhook_engine::{
    BoxFuture, CallFailure, CallPhase, FailureCode, FormRequest, FormTransport, Progress, RawAnswer,
};

use crate::{HttpTransport, body, failure, http_transport::SentBody};

impl FormTransport for HttpTransport {
    fn post_form<'a>(&'a self, form: FormRequest<'a>) -> BoxFuture<'a, Result<RawAnswer, CallFailure>> {
        Box::pin(async move {
            let progress = Progress::default();
            match tokio::time::timeout_at(form.deadline.instant(), self.post(&form, &progress)).await {
                Ok(answered) => answered.map_err(|failure| failure.in_phase(progress.phase())),
                Err(_) => Err(late(&progress)),
            }
        })
    }
}

impl HttpTransport {
    async fn post(&self, form: &FormRequest<'_>, progress: &Progress) -> Result<RawAnswer, CallFailure> {
        let uri = self.uri("provider's URL", form.uri)?;
        let mut authorization = HeaderValue::from_str(form.authorization.expose()).map_err(|_| {
            CallFailure::new(FailureCode::ChannelUnusable, "The provider's secret is not a header value")
        })?;
        authorization.set_sensitive(true);
        let request = || {
            let mut request = Request::new(SentBody::new(Bytes::clone(&form.body), progress));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            let headers = request.headers_mut();
            headers.insert(USER_AGENT, self.user_agent.clone());
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(form.body.len()));
            headers.insert(AUTHORIZATION, authorization.clone());
            Ok(request)
        };
        progress.reach(CallPhase::Connect);
        let answer = self.client.send(request, form.deadline, progress).await?;
        progress.reach(CallPhase::Receive);
        let status = answer.status().as_u16();
        let redirects_to = failure::redirect_target(&answer, &uri);
        let media_type = body::media_type_of(answer.headers());
        let body = body::of_answer(answer, form.deadline).await?;
        Ok(RawAnswer { status, body, media_type, redirects_to })
    }
}

fn late(progress: &Progress) -> CallFailure {
    let (code, what) = match progress.phase() {
        CallPhase::Authenticate | CallPhase::Connect => (FailureCode::TimeoutConnect, "no connection to the provider"),
        CallPhase::Wait => (FailureCode::TimeoutResponse, "no answer of the provider"),
        CallPhase::Receive => (FailureCode::TimeoutBody, "no complete answer of the provider"),
    };
    CallFailure::new(code, format!("There was {what} in time"))
}
