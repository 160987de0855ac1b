//! The line between laptop and gateway: it passes everything on until it is told to be cut.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use anyhow::{Context, Result};

/// Never, until told otherwise.
const NEVER: i64 = i64::MAX;

/// A line that can be cut. Connections made after a cut hold.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    /// Bytes from the gateway until every connection is cut.
    left: Arc<AtomicI64>,
}

impl Line {
    /// A line to `gateway`, on any free port.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub(crate) fn to(gateway: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.context("no port is free on loopback")?;
        let line = Self {
            address: listener.local_addr().context("a listener has no address")?,
            left: Arc::new(AtomicI64::new(NEVER)),
        };
        let left = line.left.clone();
        let serve = move || {
            for near in listener.incoming().flatten() {
                let left = left.clone();
                let pass_on = move || {
                    if let Ok(far) = TcpStream::connect(gateway) {
                        join(&near, &far, &left);
                    }
                };
                // One that cannot be passed on is as good as cut.
                drop(thread::Builder::new().name("line".into()).spawn(pass_on));
            }
        };
        let started = thread::Builder::new().name("lines".into()).spawn(serve);
        started.context("a thread could not be started")?;
        Ok(line)
    }

    /// Cuts every connection once so many more bytes have come from the gateway.
    pub(crate) fn cut_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::Relaxed);
    }
}

/// Passes on in both directions until one ends.
fn join(near: &TcpStream, far: &TcpStream, left: &AtomicI64) {
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    thread::scope(|scope| {
        scope.spawn(|| {
            copy(near, far, |_| None);
            close(near, far);
        });
        copy(far, near, |count| {
            let before = left.fetch_sub(count, Ordering::Relaxed);
            // Whoever takes the last byte cuts, and what comes later holds.
            let is_cut = before < NEVER / 2 && before <= count;
            is_cut.then(|| {
                left.store(NEVER, Ordering::Relaxed);
                usize::try_from(before).unwrap_or(0)
            })
        });
        close(near, far);
    });
}

fn close(near: &TcpStream, far: &TcpStream) {
    near.shutdown(Shutdown::Both).ok();
    far.shutdown(Shutdown::Both).ok();
}

/// Copies until the end, an error, or `cut` says how many of the bytes that came are the last.
fn copy(mut from: &TcpStream, mut to: &TcpStream, cut: impl Fn(i64) -> Option<usize>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = i64::try_from(count).unwrap_or(i64::MAX);
        let last = cut(bytes);
        let passed = buffer.get(..last.unwrap_or(count)).unwrap_or_default();
        if to.write_all(passed).is_err() || last.is_some() {
            return;
        }
    }
}
