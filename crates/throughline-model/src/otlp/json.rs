//! OTLP/JSON to canonical protobuf and back.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::Value;

use super::wire::Malformed;

/// An OTLP/JSON `ExportTraceServiceRequest` as protobuf bytes.
///
/// # Errors
/// When the text is not JSON, or not of this shape; the error says what is wrong and where.
pub fn traces_from_json(json: &[u8]) -> Result<Vec<u8>, Malformed> {
    let request: ExportTraceServiceRequest =
        serde_json::from_slice(json).map_err(|error| Malformed::new(error.to_string(), "JSON"))?;
    Ok(request.encode_to_vec())
}

/// An OTLP/JSON `ExportLogsServiceRequest` as protobuf bytes.
///
/// # Errors
/// When the text is not JSON, or not of this shape; the error says what is wrong and where.
pub fn logs_from_json(json: &[u8]) -> Result<Vec<u8>, Malformed> {
    let request: ExportLogsServiceRequest =
        serde_json::from_slice(json).map_err(|error| Malformed::new(error.to_string(), "JSON"))?;
    Ok(request.encode_to_vec())
}

/// A protobuf `TracesData` (or `ExportTraceServiceRequest`) as OTLP/JSON.
///
/// # Errors
/// When the bytes are not well-formed.
pub fn traces_to_json(body: &[u8]) -> Result<Value, Malformed> {
    let request = ExportTraceServiceRequest::decode(body)
        .map_err(|error| Malformed::new(error.to_string(), "protobuf"))?;
    serde_json::to_value(&request).map_err(|error| Malformed::new(error.to_string(), "JSON"))
}

/// A protobuf `LogsData` (or `ExportLogsServiceRequest`) as OTLP/JSON.
///
/// # Errors
/// When the bytes are not well-formed.
pub fn logs_to_json(body: &[u8]) -> Result<Value, Malformed> {
    let request = ExportLogsServiceRequest::decode(body)
        .map_err(|error| Malformed::new(error.to_string(), "protobuf"))?;
    serde_json::to_value(&request).map_err(|error| Malformed::new(error.to_string(), "JSON"))
}
