//! Cursors as clients see them: opaque, and good only for the list and order they came from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::query::Cursor;
use crate::http::Error;

/// Writes a cursor. `list` names the list and its order: `sessions -endTime`.
pub(super) fn encode(list: &str, cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::json!([list, cursor.value, cursor.id]).to_string())
}

/// Reads a cursor that [`encode`] wrote for the same list and order.
pub(super) fn decode(list: &str, text: &str) -> Result<Cursor, Error> {
    let refuse =
        |message: &str| Err(Error::bad_request(message).code("invalid_cursor").with("parameter", "cursor"));
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let Ok((from, value, id)) = serde_json::from_slice::<(String, i64, String)>(&bytes) else {
        return refuse(
            "cursor is damaged; give the nextCursor of an answer as it is, or none for the first page",
        );
    };
    if from != list {
        return refuse(&format!(
            "cursor belongs to the list {from:?}, not to {list:?}; begin again without one"
        ));
    }
    Ok(Cursor { value, id })
}
