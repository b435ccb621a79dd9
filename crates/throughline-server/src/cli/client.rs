//! Talks to a running server's API.

use std::io::Read;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::config::{ClientConfig, Values};

use super::failure::Failure;

const CONNECT: Duration = Duration::from_secs(5);
/// Until the first byte of an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// A cap on answers that are read whole.
const LARGEST: u64 = 256 << 20;

/// A running server.
pub(super) struct Client {
    agent: Agent,
    pub(super) server: String,
}

impl Client {
    pub(super) fn from_values(values: &Values) -> Result<Self, Failure> {
        let ClientConfig { server } = ClientConfig::from_values(values)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .user_agent(concat!("throughline-cli/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.into(), server })
    }

    /// The address of a path made of segments, which may hold anything.
    fn url(&self, segments: &[&str]) -> String {
        segments.iter().fold(format!("{}/api/v1", self.server), |mut url, segment| {
            url.push('/');
            url.extend(utf8_percent_encode(segment, NON_ALPHANUMERIC));
            url
        })
    }

    /// Asks for something; an answer other than success is a failure with the server's own words.
    pub(super) fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Response<Body>, Failure> {
        let request = query
            .iter()
            .fold(self.agent.get(self.url(path)), |request, (name, value)| request.query(name, value));
        self.check(request.call())
    }

    pub(super) fn get_json<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        read_json(self.get(path, query)?)
    }

    /// Posts nothing but the question, and reads what the server answers.
    pub(super) fn post_json<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let request = query
            .iter()
            .fold(self.agent.post(self.url(path)), |request, (name, value)| request.query(name, value));
        let answer = self.check(request.send_empty())?;
        read_json(answer)
    }

    pub(super) fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        self.check(self.agent.delete(self.url(path)).call()).map(drop)
    }

    /// Posts a body to a path of the server and hands back whatever it answers.
    pub(super) fn post(
        &self,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Response<Body>, ureq::Error> {
        self.agent
            .post(format!("{}{path}", self.server))
            .header(header::CONTENT_TYPE, content_type)
            .send(body)
    }

    fn check(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let response = answer.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        Err(refused(status, &text(response)))
    }

    pub(super) fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::new(format!("cannot reach {}: {error}", self.server))
            .next("start a server with `throughline serve`, or name a running one with --server URL")
    }
}

fn read_json<T: DeserializeOwned>(answer: Response<Body>) -> Result<T, Failure> {
    let mut text = String::new();
    answer.into_body().into_reader().take(LARGEST).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!("the server's answer is not what was expected: {error}"))
            .next("is the server of another version than this program?")
    })
}

/// An answer's body as text, as much as a message needs.
pub(super) fn text(response: Response<Body>) -> String {
    const ENOUGH: u64 = 16 << 10;
    let mut bytes = Vec::new();
    match response.into_body().into_reader().take(ENOUGH).read_to_end(&mut bytes) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// What the server says about a request that it refused.
pub(super) fn refused(status: StatusCode, body: &str) -> Failure {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let error = &answer["error"];
    let Some(message) = error["message"].as_str() else {
        return Failure::new(format!("the server answered {status}"))
            .next("does a Throughline server listen at that address?");
    };
    let failure = Failure::new(super::terminal::plain(message).into_owned());
    match (error["position"].as_u64(), error["requestId"].as_str()) {
        (Some(position), _) => failure.next(format!("at character {} of the filter", position + 1)),
        (None, Some(id)) if status.is_server_error() => {
            failure.next(format!("the server's log has more under {}", super::terminal::plain(id)))
        }
        _ => failure,
    }
}
