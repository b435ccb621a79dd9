//! A plain HTTP client that sends exactly what it is told.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A request in the making.
pub(crate) struct Request {
    builder: http::request::Builder,
    body: BoxBody<Bytes, std::io::Error>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(method: &str, server: &str, path: &str) -> Self {
        Self {
            builder: http::Request::builder().method(method).uri(format!("{server}{path}")),
            body: whole(""),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.builder = self.builder.header(name.parse::<HeaderName>().unwrap(), value);
        self
    }

    pub(crate) fn protobuf(self) -> Self {
        self.header("content-type", "application/x-protobuf")
    }

    pub(crate) fn json(self) -> Self {
        self.header("content-type", "application/json")
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = whole(body);
        self
    }

    /// A body without a length, in these chunks; an error breaks it off.
    pub(crate) fn chunks(mut self, chunks: Vec<std::io::Result<Bytes>>) -> Self {
        let frames = chunks.into_iter().map(|chunk| chunk.map(http_body::Frame::data));
        self.body = BodyExt::boxed(StreamBody::new(tokio_stream::iter(frames)));
        self
    }

    pub(crate) async fn try_send(self) -> Result<Reply, hyper_util::client::legacy::Error> {
        self.send_over(false).await
    }

    /// Over HTTP/2, as gRPC wants it; trailers are among the headers.
    pub(crate) async fn send_http2(self) -> Reply {
        self.send_over(true).await.unwrap()
    }

    async fn send_over(self, http2: bool) -> Result<Reply, hyper_util::client::legacy::Error> {
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let (parts, body) = client.request(self.builder.body(self.body).unwrap()).await?.into_parts();
        let collected = body.collect().await.unwrap();
        let mut headers = parts.headers;
        headers.extend(collected.trailers().cloned().unwrap_or_default());
        Ok(Reply { status: parts.status, headers, body: collected.to_bytes() })
    }

    pub(crate) async fn send(self) -> Reply {
        self.try_send().await.unwrap()
    }
}

fn whole(body: impl Into<Bytes>) -> BoxBody<Bytes, std::io::Error> {
    Full::new(body.into()).map_err(|never| match never {}).boxed()
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The status and the error's code.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"]["code"].as_str().unwrap().to_owned())
    }
}
