//! A program that runs beside us: started with a log of its own, watched, and ended in order.
//!
//! Everything that can happen meanwhile is one [`Event`], and arrives over one channel.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may take to drain.
const GRACE: Duration = Duration::from_secs(15);
/// How much of a log is shown when its program failed.
const LAST_LINES: usize = 15;

/// What can happen while programs run.
#[derive(Debug)]
pub(crate) enum Event {
    /// Ctrl-C, or somebody's request to end.
    Interrupted,
    /// A program ended.
    Ended(&'static str, ExitStatus),
}

/// Where events come from.
#[derive(Debug)]
pub(crate) struct Events {
    sender: SyncSender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// Listens for Ctrl-C from now on.
    ///
    /// # Errors
    ///
    /// When the system does not let us.
    pub(crate) fn listen() -> Result<Self> {
        let (sender, receiver) = sync_channel(16);
        signals(sender.clone())?;
        Ok(Self { sender, receiver })
    }

    /// The next event, or `None` when none came in time.
    pub(crate) fn next(&self, within: Duration) -> Option<Event> {
        // We hold a sender ourselves: it can only be that time ran out.
        self.receiver.recv_timeout(within).ok()
    }

    /// Waits for as long as it takes.
    pub(crate) fn wait(&self) -> Event {
        loop {
            if let Some(event) = self.next(Duration::from_secs(3600)) {
                return event;
            }
        }
    }

    /// Asks `ready` again and again until it says yes.
    ///
    /// # Errors
    ///
    /// When it does not in time, or something happens first.
    pub(crate) fn until(
        &self,
        what: &str,
        within: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        while !ready() {
            if begun.elapsed() > within {
                bail!("{what} took more than {} s", within.as_secs());
            }
            match self.next(Duration::from_millis(25)) {
                None => {}
                Some(event) => return Err(event.unexpected()),
            }
        }
        Ok(())
    }
}

impl Event {
    /// This event, where none should have come.
    pub(crate) fn unexpected(self) -> anyhow::Error {
        match self {
            Self::Interrupted => anyhow::anyhow!("interrupted"),
            Self::Ended(name, status) => anyhow::anyhow!("{name} ended with {status}"),
        }
    }
}

/// A program that was started here. It is ended, if need be killed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    pid: u32,
    log: PathBuf,
    /// How it ended, once it has.
    status: Arc<OnceLock<ExitStatus>>,
}

impl Program {
    /// Starts it; what it says goes to `log`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        log: &Path,
        events: &Events,
    ) -> Result<Self> {
        let file =
            File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        let copy = file.try_clone().context("could not share the log")?;
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        apart(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let pid = child.id();
        let status = Arc::default();
        watch(name, child, Arc::clone(&status), events.sender.clone())?;
        Ok(Self {
            name,
            pid,
            log: log.to_owned(),
            status,
        })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// By which the system knows it.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks it to drain and end, and waits for that. A second Ctrl-C ends it at once.
    ///
    /// # Errors
    ///
    /// When it had ended already, had to be killed, or says that it failed.
    pub(crate) fn stop(self, events: &Events) -> Result<()> {
        if let Some(status) = self.status.get() {
            bail!(
                "{} had ended with {status}\n{}",
                self.name,
                self.last_words()
            );
        }
        signal(self.pid, Ending::Drain);
        let begun = Instant::now();
        let mut killed = None;
        loop {
            if let Some(status) = self.status.get() {
                return match killed {
                    Some(why) => bail!("{} had to be killed: {why}", self.name),
                    None if status.success() => Ok(()),
                    None => bail!("{} ended with {status}\n{}", self.name, self.last_words()),
                };
            }
            match events.next(Duration::from_millis(50)) {
                Some(Event::Interrupted) => killed = Some("a second Ctrl-C"),
                None if begun.elapsed() > GRACE => killed = Some("it did not end in time"),
                Some(Event::Ended(..)) | None => {}
            }
            if killed.is_some() {
                signal(self.pid, Ending::Kill);
            }
        }
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        format!(
            "{} said last ({}):\n{}",
            self.name,
            self.log.display(),
            last.join("\n")
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.status.get().is_none() {
            signal(self.pid, Ending::Kill);
        }
    }
}

/// Tells of the program's end.
fn watch(
    name: &'static str,
    mut child: Child,
    ended: Arc<OnceLock<ExitStatus>>,
    events: SyncSender<Event>,
) -> Result<()> {
    let watching = move || {
        if let Ok(status) = child.wait() {
            ended.get_or_init(|| status);
            // Nobody listens any more when we are ending ourselves.
            let _ = events.send(Event::Ended(name, status));
        }
    };
    let thread = thread::Builder::new().name(format!("watch {name}"));
    thread
        .spawn(watching)
        .with_context(|| format!("could not watch {name}"))?;
    Ok(())
}

/// How a program is ended.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Drain,
    Kill,
}

/// Ctrl-C in the terminal is for us alone: we end the others in their order.
#[cfg(unix)]
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(unix)]
fn signal(pid: u32, ending: Ending) {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match ending {
        Ending::Drain => Signal::TERM,
        Ending::Kill => Signal::KILL,
    };
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself meanwhile.
        let _ = kill_process(pid, signal);
    }
}

#[cfg(unix)]
fn signals(events: SyncSender<Event>) -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .context("could not listen for Ctrl-C")?;
    let listening = move || {
        for _ in signals.forever() {
            if events.send(Event::Interrupted).is_err() {
                break;
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listening)
        .context("could not listen for Ctrl-C")?;
    Ok(())
}

#[cfg(not(unix))]
fn apart(_command: &mut Command) {}

#[cfg(not(unix))]
fn signal(_pid: u32, _ending: Ending) {}

#[cfg(not(unix))]
fn signals(_events: SyncSender<Event>) -> Result<()> {
    bail!("this verb needs a Unix system")
}
