//! A tower layer that looks at a request's head and either lets it pass or answers it. What to look at is a [`Check`];
//! this file has no rules of its own. Used by `app` for `origin` and `strict`.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::future::Either;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use tower::{Layer, Service};

use crate::base::metrics::{CauseLabel, Metrics};

/// How a request is turned away before a service sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// Label of `requests_refused`.
    pub(super) cause: &'static str,
    /// For a human being.
    pub(super) reason: &'static str,
    /// A header that belongs to the status.
    pub(super) header: Option<(HeaderName, &'static str)>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, cause: &'static str, reason: &'static str) -> Self {
        Self { status, cause, reason, header: None }
    }
}

/// A rule about the heads of requests.
pub(super) trait Check {
    /// Lets the request pass, or says how to answer it.
    fn check<B>(&self, request: &Request<B>) -> Result<(), Refused>;
}

/// Puts a check before a service.
#[derive(Debug)]
pub(super) struct CheckLayer<C> {
    check: Arc<C>,
    metrics: Arc<Metrics>,
}

impl<C> CheckLayer<C> {
    pub(super) fn new(check: Arc<C>, metrics: Arc<Metrics>) -> Self {
        Self { check, metrics }
    }
}

impl<C> Clone for CheckLayer<C> {
    fn clone(&self) -> Self {
        Self { check: Arc::clone(&self.check), metrics: Arc::clone(&self.metrics) }
    }
}

impl<C, S> Layer<S> for CheckLayer<C> {
    type Service = Checked<C, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Checked { layer: self.clone(), inner }
    }
}

/// A service behind a check.
#[derive(Debug)]
pub(super) struct Checked<C, S> {
    layer: CheckLayer<C>,
    inner: S,
}

impl<C, S: Clone> Clone for Checked<C, S> {
    fn clone(&self) -> Self {
        Self { layer: self.layer.clone(), inner: self.inner.clone() }
    }
}

impl<C, S, B> Service<Request<B>> for Checked<C, S>
where
    C: Check,
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Self::Response, Infallible>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.check.check(&request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(refused) => {
                let label = CauseLabel { cause: refused.cause };
                self.layer.metrics.requests_refused.get_or_create(&label).inc();
                Either::Left(ready(Ok(respond(refused))))
            }
        }
    }
}

fn respond(refused: Refused) -> Response<Body> {
    let mut response = (refused.status, refused.reason).into_response();
    if let Some((name, value)) = refused.header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
