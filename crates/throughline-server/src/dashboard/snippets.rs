//! What to paste into a program so that its sessions appear here.

/// The ports on which OpenTelemetry SDKs look for a collector by themselves.
const DEFAULT_HOSTS: [&str; 2] = ["localhost:4318", "127.0.0.1:4318"];

/// How to send to this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippets {
    /// Where the reader reached the server: `http://localhost:4318`.
    pub endpoint: String,
    /// Whether SDKs find it without a setting.
    pub is_default: bool,
}

impl Snippets {
    pub(super) fn for_host(host: Option<&str>) -> Self {
        // What is pasted into a shell must be nothing but a name and a port.
        let sane =
            |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        let host = host.filter(sane).unwrap_or(DEFAULT_HOSTS[0]);
        Self { endpoint: format!("http://{host}"), is_default: DEFAULT_HOSTS.contains(&host) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_needed_only_elsewhere() {
        assert!(Snippets::for_host(Some("localhost:4318")).is_default);
        let elsewhere = Snippets::for_host(Some("127.0.0.1:9000"));
        assert_eq!((elsewhere.endpoint.as_str(), elsewhere.is_default), ("http://127.0.0.1:9000", false));
        assert!(Snippets::for_host(Some("x;rm -rf")).is_default);
    }
}
