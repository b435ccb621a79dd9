//! Start the server (`throughline serve`), then this, ask it something, and look at the sessions:
//!
//! ```console
//! $ cargo run --package middleware-example --bin by_hand
//! $ curl -H 'x-user-id: alice' -H 'x-org-id: org_456' http://127.0.0.1:3000/api/cart
//! $ curl http://127.0.0.1:3000/    # in no session
//! ```

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    middleware_example::run(middleware_example::by_hand::app).await
}
