//! Start the server (`throughline serve`), then this, ask it something, and look at the sessions:
//!
//! ```console
//! $ cargo run --package middleware-example --bin by_layer
//! $ curl -H 'x-user-id: alice' -H 'x-org-id: org_456' http://127.0.0.1:3000/orders/7
//! $ curl -H 'x-user-id: alice' -X POST http://127.0.0.1:3000/orders
//! ```

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    middleware_example::run(middleware_example::by_layer::app).await
}
