//! The open mode's guard: without keys, whoever can reach the port can read everything, so only local names are
//! answered. A page on the Internet can point its own name at 127.0.0.1 (DNS rebinding), but cannot forge `Host`
//! and `Origin`.

use std::net::Ipv4Addr;

use axum::extract::Request;
use http::HeaderValue;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;

use super::{Error, Kind};

/// Who may talk to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Only requests addressed to a local name, from no page or a local one.
    LocalOnly,
}

impl Guard {
    /// Whether the request may pass.
    pub fn check(self, request: &Request) -> Result<(), Error> {
        let headers = request.headers();
        // A client that names no host is no browser. HTTP/2 and absolute addresses name it in the address.
        let mut hosts = headers.get_all(HOST).iter();
        let (host, more) = (hosts.next(), hosts.next());
        if more.is_some() || host.is_some_and(|host| !is_local_authority(host.as_bytes())) {
            return Err(refuse("host", more.or(host)));
        }
        if request.uri().authority().is_some_and(|authority| !is_local(authority.host())) {
            return Err(refuse("host", host));
        }
        for origin in headers.get_all(ORIGIN) {
            if !is_local_origin(origin) {
                return Err(refuse("origin", Some(origin)));
            }
        }
        Ok(())
    }
}

fn is_local_authority(authority: &[u8]) -> bool {
    Authority::try_from(authority).is_ok_and(|authority| is_local(authority.host()))
}

/// Whether a page that says it comes from here was served by this machine.
pub fn is_local_origin(origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    matches!(scheme, "http" | "https") && is_local_authority(host.as_bytes())
}

/// `localhost`, anything under it, 127.0.0.0/8 and `[::1]`.
fn is_local(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn refuse(header: &str, value: Option<&HeaderValue>) -> Error {
    let value =
        value.map(|value| String::from_utf8_lossy(value.as_bytes()).chars().take(100).collect::<String>());
    Error::new(
        Kind::Forbidden,
        format!(
            "no keys are configured, so only local requests are answered, and the {header} {:?} is not local; \
             use http://localhost with the server's port",
            value.unwrap_or_default()
        ),
    )
    .code("not_local")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn check(headers: &[(&'static str, &str)]) -> bool {
        check_at("/", headers)
    }

    fn check_at(uri: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let mut request = Request::new(axum::body::Body::empty());
        *request.uri_mut() = uri.parse().unwrap();
        *request.headers_mut() = map;
        Guard::LocalOnly.check(&request).is_ok()
    }

    #[test]
    fn local_names_pass() {
        let hosts = [
            "localhost",
            "localhost:4318",
            "LOCALHOST:1",
            "app.localhost:4318",
            "localhost.:80",
            "127.0.0.1:4318",
            "127.8.9.10",
            "[::1]:4318",
            "[::1]",
        ];
        for host in hosts {
            assert!(check(&[("host", host)]), "{host}");
            assert!(check(&[("host", host), ("origin", &format!("http://{host}"))]), "{host}");
        }
        assert!(check(&[]));
    }

    #[test]
    fn every_other_name_is_refused() {
        let hosts = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:4318",
            "[::2]",
            "0.0.0.0",
            "notlocalhost",
            "evil.example#.localhost",
            "localhost@evil.example",
            "",
            "localhost:80:80",
            "a b",
        ];
        for host in hosts {
            assert!(!check(&[("host", host)]), "{host}");
        }
        assert!(!check(&[("host", "localhost"), ("host", "localhost")]));
        assert!(check_at("http://localhost:4317/x", &[]));
        assert!(!check_at("http://evil.example/x", &[]));
        assert!(!check_at("http://evil.example/x", &[("host", "localhost")]));
        for origin in
            ["null", "https://evil.example", "file://", "http://localhost.evil.example", "localhost", "é"]
        {
            assert!(!check(&[("host", "localhost"), ("origin", origin)]), "{origin}");
        }
    }
}
