//! What becomes of outcomes: counted, written to the spool on the request's path, and delivered to
//! the gateway behind it.

mod deliver;
pub(crate) mod encode;
mod link;

use std::sync::Arc;

use placement::{Outcome, OutcomeSink};

use crate::budgets::Budgets;
use crate::spool::Spool;
use crate::telemetry;

pub(crate) use self::deliver::Delivery;

/// Takes the outcome of every decided request.
#[derive(Debug)]
pub(crate) struct Recorder {
    spool: Arc<Spool>,
    budgets: Arc<Budgets>,
}

impl Recorder {
    pub(crate) fn new(spool: Arc<Spool>, budgets: Arc<Budgets>) -> Self {
        Self { spool, budgets }
    }
}

impl OutcomeSink for Recorder {
    fn record(&self, outcome: &Outcome) {
        telemetry::outcome(outcome);
        self.budgets.pay(outcome);
        if let Err(error) = self.spool.append(&encode::outcome(outcome)) {
            telemetry::unrecorded(&error);
        }
    }
}
