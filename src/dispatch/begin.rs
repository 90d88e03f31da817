//! How a process begins to deliver: it says so, takes over what the last one left, and learns who asked that one to be left alone.

use crate::dispatch::Options;
use crate::dispatch::engine::Engine;
use crate::dispatch::pace::AHEAD_MAX;
use crate::dispatch::send::lease;
use crate::domain::channel::Channel;
use crate::store::error::StoreError;
use crate::store::queue::Deliverer;
use crate::store::upkeep::Upkeep;

impl Engine {
    /// Says that this process delivers, and takes over what the last one left.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn begin(&mut self) -> Result<(), StoreError> {
        let holds = Channel::ALL.into_iter().filter_map(|channel| Some((channel, self.senders.waits_for(channel)?)));
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let pid = std::process::id();
        let deliverer = Deliverer {
            boot_id: format!("{host}/{pid}/{}", self.clock.now()),
            process: format!("pid {pid} on {host}"),
            holds: holds.collect(),
            schedule: self.options.retry.schedule.clone(),
        };
        let Options { storm, failing_max, .. } = self.options;
        self.store.keep_up(Upkeep::Begin { storm, failing_max }).await?;
        let reclaimed = self.store.reclaim(deliverer).await?;
        self.lanes.holds.begin(self.store.holds().await?);
        self.inbox.slots.open(lease(&self.senders, AHEAD_MAX));
        tracing::info!(reclaimed, "delivering from {}", self.store.path().display());
        Ok(())
    }
}
