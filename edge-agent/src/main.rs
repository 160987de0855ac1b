//! The agent's main: a story, told when the parts are here.

fn main() {}
