//! W3C baggage: which session, for whom, as a header.

use crate::{SessionId, current_session, env::percent_decoded};

/// What an incoming `baggage` header says about the session.
///
/// ```
/// use throughline::Baggage;
/// let baggage = Baggage::parse("session.id=conv%201,user.id=alice;ttl=1,other=x");
/// assert_eq!(baggage.session_id.unwrap().as_str(), "conv 1");
/// assert_eq!(baggage.user_id.as_deref(), Some("alice"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Baggage {
    /// `session.id`.
    pub session_id: Option<SessionId>,
    /// `user.id`.
    pub user_id: Option<String>,
}

/// The longest header that W3C asks anybody to pass on, and the longest that is read.
const MAX_LEN: usize = 8192;

impl Baggage {
    /// Reads a header. What cannot be read is left out: a header from elsewhere is no reason to fail.
    pub fn parse(header: &str) -> Self {
        let mut baggage = Self::default();
        if header.len() > MAX_LEN {
            return baggage;
        }
        for (key, value) in header.split(',').filter_map(|member| member.split(';').next()?.split_once('=')) {
            let value = percent_decoded(value.trim());
            match key.trim() {
                "session.id" if !value.is_empty() => baggage.session_id = Some(SessionId::from(value)),
                "user.id" if !value.is_empty() => baggage.user_id = Some(value),
                _ => {}
            }
        }
        baggage
    }

    /// What to send on from the session that is current here: its id, and its actor's if that is a user.
    ///
    /// ```
    /// # use throughline::{Baggage, Telemetry};
    /// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
    /// telemetry.session().id("conv 1").actor("user", "alice").run_sync(|| {
    ///     assert_eq!(Baggage::current().to_string(), "session.id=conv%201,user.id=alice");
    /// });
    /// assert_eq!(Baggage::current().to_string(), "");
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn current() -> Self {
        let Some(session) = current_session() else { return Self::default() };
        let user_id = session.actor.filter(|actor| actor.kind == "user").and_then(|actor| actor.id);
        Self { session_id: Some(session.session_id), user_id }
    }
}

impl std::fmt::Display for Baggage {
    /// As a header; empty if there is nothing to say.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let session = self.session_id.as_ref().map(|id| ("session.id", id.as_str()));
        let user = self.user_id.as_deref().map(|id| ("user.id", id));
        for (at, (key, value)) in session.into_iter().chain(user).enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{key}=")?;
            for byte in value.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                        write!(f, "{}", char::from(byte))?;
                    }
                    byte => write!(f, "%{byte:02X}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_read(session in ".{1,40}", user in proptest::option::of(".{1,40}")) {
            let sent = Baggage { session_id: Some(SessionId::from(session)), user_id: user };
            let header = sent.to_string();
            prop_assert!(header.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert_eq!(Baggage::parse(&header), sent);
        }

        #[test]
        fn any_header_is_read_without_a_panic(header in ".{0,100}") {
            Baggage::parse(&header);
        }
    }
}
