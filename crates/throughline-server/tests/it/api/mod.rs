//! The API as its clients see it: through HTTP, over a store in memory.

mod analytics;
mod errors;
mod export;
mod lists;
mod operation;
mod served;
mod stream;
