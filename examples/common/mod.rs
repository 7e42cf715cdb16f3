//! What every example begins with: a logger, and a cluster to talk to.

use std::io;

use env_logger::Env;
use kafka_producer::mock_cluster::MockCluster;

/// The cluster that was asked for, or one of this process's own, which is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    bootstrap_servers: String,
    _embedded: Option<MockCluster>,
}

impl Cluster {
    /// Takes the value of `--bootstrap-server`; without one, starts the embedded cluster and says so. From now on warnings are
    /// shown, or what `RUST_LOG` says.
    pub(crate) fn at(bootstrap_server: Option<String>) -> io::Result<Self> {
        env_logger::Builder::from_env(Env::default().default_filter_or("warn")).init();
        if let Some(bootstrap_servers) = bootstrap_server {
            return Ok(Self { bootstrap_servers, _embedded: None });
        }
        let embedded = MockCluster::start(1)?;
        let bootstrap_servers = embedded.bootstrap_servers();
        eprintln!("no --bootstrap-server given: using an embedded cluster at {bootstrap_servers}");
        Ok(Self { bootstrap_servers, _embedded: Some(embedded) })
    }

    /// As the property `bootstrap.servers` takes it.
    pub(crate) fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }
}
