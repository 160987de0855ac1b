//! A hub of models on loopback, with the files of one folder: the listing, redirects to a second
//! address for large files, ranges; and the ways in which hubs go wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The commit that it lists.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How it goes wrong.
#[derive(Clone, Default)]
pub(crate) enum Trick {
    #[default]
    None,
    /// Sends that many bytes of each graph, and then nothing more.
    StallAfter(usize),
    /// Sends that many bytes of each graph the first time it is asked, and closes the connection.
    CutAfter(usize),
    /// Redirects graphs there.
    RedirectTo(String),
    /// Sends graphs with one byte changed.
    WrongBytes,
    /// Sends graphs with another digest in the head than in the listing.
    WrongDigest,
    /// Lists another size for graphs than they have.
    LieAboutSizes(i64),
    /// The same, and sends graphs without saying how long they are.
    Unmeasured(i64),
    /// Lists this file too.
    AlsoList(String),
    /// Lists that many files too.
    ListMany(usize),
    /// Refuses everything with this status.
    Refuse(&'static str),
    /// Lists only the files whose names this keeps.
    Only(fn(&str) -> bool),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// The byte that it asks from.
    pub(crate) from: usize,
    pub(crate) token: Option<String>,
    /// Whether it came to the address that large files are at.
    pub(crate) is_elsewhere: bool,
    /// Bytes of content that were sent.
    pub(crate) sent: usize,
}

/// A hub that runs until it is dropped.
pub(crate) struct Hub {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

struct State {
    files: BTreeMap<String, Vec<u8>>,
    trick: Trick,
    asked: Vec<Asked>,
    elsewhere: SocketAddr,
}

impl Hub {
    /// One that has `test/genai`, with the files in `folder`.
    pub(crate) async fn start(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read(path).unwrap());
        }
        files.insert("README.md".into(), b"not needed".to_vec());
        let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = near.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            files,
            trick: Trick::None,
            asked: Vec::new(),
            elsewhere: far.local_addr().unwrap(),
        }));
        let tasks = [(near, false), (far, true)].map(|(listener, is_elsewhere)| {
            let state = state.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer(stream, state.clone(), is_elsewhere));
                }
            })
        });
        Self {
            address,
            state,
            tasks,
        }
    }

    /// Goes wrong like this from now on, and forgets what it was asked.
    pub(crate) fn play(&self, trick: Trick) {
        let mut state = locked(&self.state);
        state.trick = trick;
        state.asked.clear();
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        locked(&self.state).asked.clone()
    }

    /// How it is named.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer to be sent.
struct Reply {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
    /// Whether the head says how long the body is.
    is_measured: bool,
    /// Bytes of the body to send, and whether the connection is kept open then.
    cut: Option<(usize, bool)>,
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>, is_elsewhere: bool) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 1 << 16 {
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (reply, at) = {
        let mut state = locked(&state);
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_owned())
        };
        let range = header("range");
        let from = range.and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let asked = Asked {
            path,
            from: from.unwrap_or(0),
            token: header("authorization"),
            is_elsewhere,
            sent: 0,
        };
        let reply = state.reply(&asked);
        state.asked.push(asked);
        (reply, state.asked.len() - 1)
    };
    let size = reply.body.len();
    let (send, stays) = reply
        .cut
        .map_or((size, false), |(cut, stays)| (cut.min(size), stays));
    let length = format!("content-length: {size}\r\n");
    let length = if reply.is_measured { &length } else { "" };
    let head = format!(
        "HTTP/1.1 {}\r\n{length}connection: close\r\n{}\r\n",
        reply.status, reply.headers
    );
    if stream.write_all(head.as_bytes()).await.is_ok()
        && stream.write_all(&reply.body[..send]).await.is_ok()
    {
        if let Some(asked) = locked(&state).asked.get_mut(at) {
            asked.sent = send;
        }
        if stays {
            std::future::pending::<()>().await;
        }
        stream.shutdown().await.ok();
    }
}

impl State {
    fn reply(&mut self, asked: &Asked) -> Reply {
        let path = asked.path.as_str();
        if let Trick::Refuse(status) = self.trick {
            return Reply::new(status, "", Vec::new());
        }
        if path == "/api/models/test/genai/revision/main?blobs=true" {
            return Reply::new("200 OK", "", self.listing().to_string().into_bytes());
        }
        let resolve = format!("/test/genai/resolve/{COMMIT}/");
        let name = path.strip_prefix(&resolve).or(path.strip_prefix("/large/"));
        let Some((name, content)) = name.and_then(|name| Some((name, self.files.get(name)?)))
        else {
            return Reply::new("404 Not Found", "", Vec::new());
        };
        let is_graph = is_graph(name);
        if is_graph && !asked.is_elsewhere {
            let digest = if matches!(self.trick, Trick::WrongDigest) {
                hex(&Sha256::digest(b"other"))
            } else {
                hex(&Sha256::digest(content))
            };
            let to = if let Trick::RedirectTo(to) = &self.trick {
                to.clone()
            } else {
                format!("http://{}/large/{name}", self.elsewhere)
            };
            let headers = format!("location: {to}\r\nx-linked-etag: \"{digest}\"\r\n");
            return Reply::new("302 Found", &headers, Vec::new());
        }
        let mut content = content.clone();
        if is_graph && matches!(self.trick, Trick::WrongBytes) {
            content[1000] ^= 1;
        }
        let total = content.len();
        let etag = format!("etag: \"{}\"\r\n", git(&content));
        let etag = if is_graph { "" } else { &etag };
        if asked.from > 0 && asked.from >= total {
            return Reply::new("416 Range Not Satisfiable", "", Vec::new());
        }
        let rest = content.split_off(asked.from);
        let mut reply = if asked.from > 0 {
            let range = format!(
                "content-range: bytes {}-{}/{total}\r\n{etag}",
                asked.from,
                total - 1
            );
            Reply::new("206 Partial Content", &range, rest)
        } else {
            Reply::new("200 OK", etag, rest)
        };
        reply.is_measured = !(is_graph && matches!(self.trick, Trick::Unmeasured(_)));
        let is_first = !self.asked.iter().any(|other| other.path == asked.path);
        if let Trick::StallAfter(bytes) = self.trick
            && is_graph
        {
            reply.cut = Some((bytes, true));
        }
        if let Trick::CutAfter(bytes) = self.trick
            && is_graph
            && is_first
        {
            reply.cut = Some((bytes, false));
        }
        reply
    }

    fn listing(&self) -> Value {
        let listed = |(name, content): (&String, &Vec<u8>)| {
            let mut size = i64::try_from(content.len()).unwrap();
            if !is_graph(name) {
                return json!({ "rfilename": name, "size": size, "blobId": git(content) });
            }
            if let Trick::LieAboutSizes(by) | Trick::Unmeasured(by) = self.trick {
                size += by;
            }
            let sha256 = hex(&Sha256::digest(content));
            let lfs = json!({ "sha256": sha256, "size": size, "pointerSize": 130 });
            json!({ "rfilename": name, "size": size, "blobId": git(b"pointer"), "lfs": lfs })
        };
        let keeps = |name: &str| {
            if let Trick::Only(keeps) = self.trick {
                keeps(name)
            } else {
                true
            }
        };
        let kept = self.files.iter().filter(|(name, _)| keeps(name));
        let mut files: Vec<Value> = kept.map(listed).collect();
        let small = |name: String| json!({ "rfilename": name, "size": 0, "blobId": git(b"") });
        if let Trick::AlsoList(name) = &self.trick {
            files.push(small(name.clone()));
        }
        if let Trick::ListMany(count) = self.trick {
            files.extend((0..count).map(|n| small(format!("f{n}"))));
        }
        json!({ "id": "test/genai", "sha": COMMIT, "siblings": files, "cardData": { "license": "mit" } })
    }
}

impl Reply {
    fn new(status: &'static str, headers: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: headers.to_owned(),
            body,
            is_measured: true,
            cut: None,
        }
    }
}

fn is_graph(name: &str) -> bool {
    name.ends_with(".onnx")
}

fn git(content: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
