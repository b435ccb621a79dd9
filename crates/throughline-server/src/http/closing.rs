//! Tells long answers (the live stream) that the server is about to stop.

use tokio::sync::watch;

/// Says once that the server closes.
#[derive(Debug)]
pub struct Closer(watch::Sender<bool>);

/// Hears that the server closes.
#[derive(Debug, Clone)]
pub struct Closing(watch::Receiver<bool>);

impl Closer {
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub fn close(&self) {
        self.0.send_replace(true);
    }

    pub fn subscribe(&self) -> Closing {
        Closing(self.0.subscribe())
    }
}

impl Default for Closer {
    fn default() -> Self {
        Self::new()
    }
}

impl Closing {
    /// Returns when the server begins to close: streams end then, so that a stop need not wait for their readers.
    pub async fn wait(mut self) {
        // An error means that the closer is gone, which is closing too.
        drop(self.0.wait_for(|closed| *closed).await);
    }
}
