//! OTLP over gRPC.
//!
//! tonic speaks the protocol, but messages pass through as bytes: they are checked by the same code as over HTTP, so
//! that one bad string does not refuse a whole batch, and nothing is decoded only to be encoded again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::{Request, Response};
use axum::body::Body;
use axum::extract::State as Extract;
use axum::routing::post;
use axum::{Extension, Router};
use bytes::{Buf, BufMut, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use throughline_model::ProjectId;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use crate::http::{Error, Metrics, Project, RequestId, State};

use super::content::{self, Encoding, Format};
use super::intake::{self, Parcel, Signal};
use super::room::Lease;
use super::{Room, reply};

const SERVICES: [(&str, Signal); 3] = [
    ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Signal::Traces),
    ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", Signal::Logs),
    ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", Signal::Metrics),
];

/// Routes of the three OTLP services.
pub fn routes(room: Room) -> Router<State> {
    let services = SERVICES.into_iter().fold(Router::new(), |router, (path, signal)| {
        let serve = move |state: Extract<State>, room, project, id, request| {
            export(signal, state, room, project, id, request)
        };
        router.route(path, post(serve))
    });
    services.layer(Extension(room))
}

async fn export(
    signal: Signal,
    Extract(state): Extract<State>,
    Extension(room): Extension<Room>,
    Project(project): Project,
    Extension(id): Extension<RequestId>,
    request: Request<Body>,
) -> Response<tonic::body::Body> {
    let limits = state.limits;
    let lease = room.lease();
    let mut grpc = Grpc::new(Raw)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(limits.unpacked_bytes);
    let metrics = state.metrics.clone();
    let cap = limits.body_bytes;
    let request = request.map(|body| Metered { body, lease, metrics, left: cap, cap });
    let service = Export { signal, state, room, project, id };
    blame_the_sender(grpc.unary(service, request).await)
}

struct Export {
    signal: Signal,
    state: State,
    room: Room,
    project: ProjectId,
    id: RequestId,
}

impl UnaryService<Bytes> for Export {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let Self { signal, state, room, project, id } = self;
        let (signal, state, project, id) = (*signal, state.clone(), project.clone(), id.clone());
        let mut lease = room.lease();
        Box::pin(async move {
            let bytes = request.into_inner();
            let outcome = match lease.grow(bytes.len()) {
                Ok(()) => {
                    let parcel = Parcel { bytes, encoding: Encoding::Identity, lease };
                    intake::take_otlp(&state, project, (signal, Format::Protobuf), parcel).await
                }
                Err(busy) => Err(busy),
            };
            let outcome = outcome.map_err(|error: Error| {
                error.log(&id);
                error.to_grpc()
            })?;
            Ok(tonic::Response::new(reply::message(signal, &outcome)))
        })
    }
}

/// tonic answers a message over the cap with `OUT_OF_RANGE` and a damaged one with `INTERNAL`. The first is a
/// matter of size, and the second the sender's, who would otherwise try again for ever.
fn blame_the_sender(mut response: Response<tonic::body::Body>) -> Response<tonic::body::Body> {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    let code = match status.code() {
        Code::OutOfRange => Code::ResourceExhausted,
        Code::Internal if status.message().starts_with("Error decompressing") => Code::InvalidArgument,
        Code::Internal if status.message().starts_with("protocol error") => Code::InvalidArgument,
        _ => return response,
    };
    response.headers_mut().insert(Status::GRPC_STATUS, (code as i32).into());
    response
}

/// A request body that stops at the cap and holds its bytes of the budget while tonic gathers them.
struct Metered {
    body: Body,
    lease: Lease,
    metrics: Arc<Metrics>,
    left: usize,
    cap: usize,
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(Status::cancelled(error.to_string())))),
            None => return Poll::Ready(None),
        };
        let size = frame.data_ref().map_or(0, Bytes::len);
        let Some(left) = self.left.checked_sub(size) else {
            let error = content::too_large("the request", self.cap);
            return Poll::Ready(Some(Err(error.to_grpc())));
        };
        self.left = left;
        self.metrics.received_bytes.add(size);
        Poll::Ready(Some(self.lease.grow(size).map(|()| frame).map_err(|busy| busy.to_grpc())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Messages as their bytes.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
