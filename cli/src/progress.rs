//! How far something has come: a bar on a terminal, a line for each file elsewhere, on standard error.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use crate::print::{Format, plain};

/// What is shown of work on files, one after the other.
pub(crate) struct Bar {
    style: Style,
    file: String,
}

enum Style {
    Drawn(ProgressBar),
    Lines,
    Silent,
}

impl Bar {
    /// A bar where a person looks on; nothing where a program reads the output.
    pub(crate) fn new(format: Format) -> Self {
        let style = match format {
            Format::Table if std::io::stderr().is_terminal() => Style::Drawn(drawn()),
            Format::Table => Style::Lines,
            Format::Json | Format::Yaml => Style::Silent,
        };
        Self {
            style,
            file: String::new(),
        }
    }

    /// So much of that file is done.
    pub(crate) fn show(&mut self, file: &str, done: u64, total: u64) {
        let is_new = self.file != file;
        if is_new {
            file.clone_into(&mut self.file);
        }
        match &self.style {
            Style::Drawn(bar) => {
                if is_new {
                    bar.set_message(plain(file));
                    bar.set_length(total);
                    bar.reset_eta();
                }
                bar.set_position(done);
            }
            Style::Lines if is_new => eprintln!("{} ({total} bytes)", plain(file)),
            Style::Lines | Style::Silent => {}
        }
    }

    /// Says something that happened, without breaking what is drawn.
    pub(crate) fn say(&self, text: &str) {
        match &self.style {
            Style::Drawn(bar) => bar.println(plain(text)),
            Style::Lines => eprintln!("{}", plain(text)),
            Style::Silent => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Style::Drawn(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}

fn drawn() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
