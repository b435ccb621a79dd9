//! A server of few words: it takes HTTP requests over a real socket, keeps them, and answers as told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came, decompressed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// How to answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(u16, &'static str, Vec<u8>),
    /// Well, but only after this time.
    Slow(Duration),
    /// Says nothing for this time, then closes the connection.
    Hang(Duration),
    /// Says this and closes the connection.
    BreakOff(&'static str),
    /// Closes the connection without a word.
    Disconnect,
}

pub(crate) fn ok() -> Answer {
    Answer::Status(200, "", Vec::new())
}

pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers with these, one after the other, then always well.
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::speaking("http", answers, |stream| stream)
    }

    /// The same behind whatever is made of a connection.
    pub(crate) fn speaking<S: Read + Write>(
        scheme: &str,
        answers: impl IntoIterator<Item = Answer>,
        wrap: impl Fn(TcpStream) -> S + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<_> = answers.into_iter().collect();
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answers, wrap) = (kept.clone(), answers.clone(), wrap.clone());
                std::thread::spawn(move || {
                    talk(wrap(stream), &kept, &|| answers.lock().unwrap().next().unwrap_or_else(ok))
                });
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn talk(stream: impl Read + Write, kept: &Mutex<Vec<Request>>, next: &dyn Fn() -> Answer) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        kept.lock().unwrap().push(request);
        let (said, goes_on) = match next() {
            Answer::Disconnect => return,
            Answer::Hang(time) => return std::thread::sleep(time),
            Answer::BreakOff(said) => (said.as_bytes().to_vec(), false),
            Answer::Slow(time) => {
                std::thread::sleep(time);
                (response(200, "", &[]), true)
            }
            Answer::Status(status, headers, body) => (response(status, headers, &body), true),
        };
        let stream = reader.get_mut();
        if stream.write_all(&said).and_then(|()| stream.flush()).is_err() || !goes_on {
            return;
        }
    }
}

fn response(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn read(reader: &mut BufReader<impl Read>) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut request = Request { path, headers, body: Vec::new() };
    request.body = vec![0; request.header("content-length")?.parse().unwrap()];
    reader.read_exact(&mut request.body).unwrap();
    if request.header("content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&request.body[..]).read_to_end(&mut plain).unwrap();
        request.body = plain;
    }
    Some(request)
}
